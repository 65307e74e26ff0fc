//! How netd marks what it made, so that it never touches what it did not.

use flatnet_types::AttachmentKey;

use crate::attach::plan::Attachment;

/// The first characters of the names of the links that netd makes for containers.
pub const LINK_PREFIX: &str = "fn";

/// The first characters of those links' aliases: a link with the name but without this is not
/// ours.
pub const ALIAS_PREFIX: &str = "flatnet:";

/// The key under `external_ids` that says that a row is ours.
pub const OWNER: &str = "flatnet-owner";
/// The value of [`OWNER`] on rows of ours.
pub const OWNER_NETD: &str = "netd";
/// The key under `external_ids` that says what a row of the node is for.
pub const PURPOSE: &str = flatnet_types::marks::PURPOSE;
/// The key under `external_ids` that holds the attachment's generation.
pub const GENERATION: &str = "flatnet-generation";

/// The longest alias that the kernel keeps, in bytes (`IFALIASZ` − 1).
const ALIAS_MAX: usize = 255;

/// The alias of an attachment's link.
pub fn alias(key: &AttachmentKey) -> String {
    let mut alias = format!("{ALIAS_PREFIX}{key}");
    alias.truncate(ALIAS_MAX);
    alias
}

/// Whether a link is the host's end of an attachment's: by its name, `fn` and hexadecimal digits,
/// and its alias. netd's other links bear the alias, too.
pub fn is_of_container(name: &str, alias: Option<&str>) -> bool {
    let digits = name.strip_prefix(LINK_PREFIX);
    digits.is_some_and(|digits| u64::from_str_radix(digits, 16).is_ok())
        && alias.is_some_and(|alias| alias.starts_with(ALIAS_PREFIX))
}

/// What an attachment's port says of itself in the database.
pub fn port_ids(attachment: &Attachment) -> Vec<(String, String)> {
    let addresses: Vec<String> = attachment
        .addresses
        .iter()
        .map(|a| a.address.ip().to_string())
        .collect();
    let pod = &attachment.detail.pod;
    let mut ids = vec![
        (OWNER, OWNER_NETD.to_owned()),
        (GENERATION, attachment.generation.to_string()),
        ("flatnet-network", attachment.key.network.to_string()),
        ("flatnet-container", attachment.key.container_id.to_string()),
        ("flatnet-ifname", attachment.key.ifname.to_string()),
        ("flatnet-addresses", addresses.join(" ")),
        ("attached-mac", attachment.detail.mac.to_string()),
    ];
    if !pod.name.is_empty() {
        ids.push(("flatnet-pod", format!("{}/{}", pod.namespace, pod.name)));
    }
    ids.sort_unstable();
    ids.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

/// What the node's own rows say of themselves.
pub fn node_ids(purpose: &str) -> Vec<(String, String)> {
    vec![
        (OWNER.to_owned(), OWNER_NETD.to_owned()),
        (PURPOSE.to_owned(), purpose.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_link_is_recognised_by_name_and_alias() {
        assert!(is_of_container("fn1f", Some("flatnet:web/c/eth0")));
        for (name, alias) in [
            ("fnprobe0", Some("flatnet:probe")),
            ("fn1f", Some("somebody's")),
            ("fn1f", None),
            ("fn", Some("flatnet:")),
            ("eth0", Some("flatnet:web/c/eth0")),
        ] {
            assert!(!is_of_container(name, alias), "{name} {alias:?}");
        }
    }
}
