//! The format of an entry, and the rule that protects later attachments.

use serde::{Deserialize, Serialize};

use flatnet_types::api::DelRequest;
use flatnet_types::{AttachmentKey, Timestamp};

/// Version of the format.
pub const FORMAT: u32 = 1;

/// Suffix of an entry's file name.
pub(crate) const SUFFIX: &str = ".json";

/// Suffix of a file that is no entry and was renamed.
pub(crate) const BAD_SUFFIX: &str = ".bad";

/// Suffix of an entry that is being written. After a crash it is deleted: its DEL was not answered.
pub(crate) const TEMP_SUFFIX: &str = ".tmp";

/// The most bytes of an entry that are read. Entries have less than 6 KiB.
pub const ENTRY_LIMIT: u64 = 64 * 1024;

/// A DEL in the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpooledDel {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Time when the DEL was answered, by the host's clock.
    #[serde(rename = "spooled_at_ms")]
    pub spooled_at: Timestamp,
    /// The socket on which netd did not answer, for operators.
    pub socket: String,
    /// The DEL.
    pub request: DelRequest,
}

impl SpooledDel {
    /// Whether this DEL is for the attachment of its key that was created at `created_at`. It is
    /// not if the attachment was created later, or in the same millisecond.
    pub fn applies_to(&self, created_at: Timestamp) -> bool {
        self.spooled_at > created_at
    }

    /// Name of its file. It depends on the key only, so that a repeated DEL replaces the first.
    pub fn file_name(&self) -> String {
        format!("{}{SUFFIX}", stem(&self.request.key))
    }
}

/// The name of a key's entry without suffix: 32 hexadecimal digits, whatever the key holds.
///
/// FNV-1a with 128 bits over the three names with a NUL, which no name holds, after each.
/// It does not resist deliberate collisions; only root can choose container IDs.
pub(crate) fn stem(key: &AttachmentKey) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let names = [
        key.network.as_str(),
        key.container_id.as_str(),
        key.ifname.as_str(),
    ];
    let bytes = names.iter().flat_map(|name| name.bytes().chain([0]));
    let hash = bytes.fold(OFFSET, |h, b| (h ^ u128::from(b)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use flatnet_types::{ContainerId, IfName, NetworkName};

    use super::*;

    fn key(network: &str, container: &str, ifname: &str) -> AttachmentKey {
        AttachmentKey {
            network: NetworkName::new(network).expect("a network"),
            container_id: ContainerId::new(container).expect("an ID"),
            ifname: IfName::new(ifname).expect("an interface"),
        }
    }

    #[test]
    fn names_that_run_together_have_different_files() {
        assert_ne!(stem(&key("ab", "c", "eth0")), stem(&key("a", "bc", "eth0")));
        assert_ne!(stem(&key("a", "b", "eth0")), stem(&key("a", "b", "eth1")));
        assert_eq!(stem(&key("a", "b", "eth0")), stem(&key("a", "b", "eth0")));
        assert_eq!(stem(&key("a", "b", "eth0")).len(), 32);
    }

    #[test]
    fn a_spooled_del_does_not_apply_to_a_later_attachment() {
        let del = SpooledDel {
            format: FORMAT,
            spooled_at: Timestamp::from_millis(1000),
            socket: "/run/flatnet/netd.sock".to_owned(),
            request: DelRequest {
                version: 1,
                key: key("a", "b", "eth0"),
                netns: None,
            },
        };
        assert!(del.applies_to(Timestamp::from_millis(999)));
        assert!(!del.applies_to(Timestamp::from_millis(1000)));
        assert!(!del.applies_to(Timestamp::from_millis(1001)));
    }

    #[test]
    fn an_entry_is_the_json_that_is_written_here() {
        let text = r#"{"format":1,"spooled_at_ms":5,"socket":"/s","request":{"version":1,"network":"n","container_id":"c","ifname":"eth0","netns":"/run/netns/x"}}"#;
        let del: SpooledDel = serde_json::from_str(text).expect("an entry");
        assert_eq!(del.request.key, key("n", "c", "eth0"));
        assert_eq!(serde_json::to_string(&del).expect("JSON"), text);
    }
}
