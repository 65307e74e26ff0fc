//! The marks by which netd recognises what it manages; it changes nothing else.

use flatnet_types::AttachmentKey;

/// The first characters of the names of the links that netd makes for containers.
pub const LINK_PREFIX: &str = "fn";

/// The first characters of those links' aliases: a link with the name but without this alias is
/// unmanaged.
pub const ALIAS_PREFIX: &str = "flatnet:";

/// The key under `external_ids` that marks a row as managed.
pub const OWNER: &str = "flatnet-owner";
/// The value of [`OWNER`] on managed rows.
pub const OWNER_NETD: &str = "netd";
/// The key under `external_ids` that holds the purpose of one of the node's own rows.
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

/// Whether a link is the host's end of an attachment's, by its name (`fn` and hexadecimal digits)
/// and its alias. netd's other links have such an alias too.
pub fn is_of_container(name: &str, alias: Option<&str>) -> bool {
    let digits = name.strip_prefix(LINK_PREFIX);
    digits.is_some_and(|digits| u64::from_str_radix(digits, 16).is_ok())
        && alias.is_some_and(|alias| alias.starts_with(ALIAS_PREFIX))
}

/// The `external_ids` of the node's own rows.
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
