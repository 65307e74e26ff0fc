//! Names of objects: those of the plan may be anything, those of Kubernetes are names of DNS.

use sha2::{Digest, Sha256};

/// The most bytes of a name of DNS (RFC 1123), and so of an object.
const LONGEST: usize = 253;
/// The most bytes of a label's value.
const LONGEST_LABEL: usize = 63;
/// Digits that tell names apart that are alike otherwise.
const DIGITS: usize = 8;

/// The name of an object that those words are of: they themselves with dots between them, where that is a
/// name of DNS and leads back to them; with digits of their SHA-256 at the end otherwise.
///
/// ```
/// use flatnet_k8s_api::name::object;
/// assert_eq!(object(&["idc", "tor1"]), "idc.tor1");
/// assert!(object(&["idc", "Tor 1"]).starts_with("idc.tor-1-"));
/// ```
pub fn object(words: &[&str]) -> String {
    let (last, before) = words.split_last().unwrap_or((&"", &[]));
    // A dot in any but the last could be the end of it.
    let plain = before.iter().all(|w| is_label(w)) && last.split('.').all(is_label);
    let name = words.join(".");
    if plain && name.len() <= LONGEST {
        return name;
    }
    digested(&name, &words.join("\n"), LONGEST)
}

/// The value of a label that stands for a name.
pub fn label(name: &str) -> String {
    if is_label(name) && name.len() <= LONGEST_LABEL {
        return name.to_owned();
    }
    digested(name, name, LONGEST_LABEL)
}

fn is_label(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    let bytes = text.as_bytes();
    bytes.iter().copied().all(inside) && edge(bytes.first()) && edge(bytes.last())
}

/// `name` as DNS can have it, and digits of what it stands for.
fn digested(name: &str, whole: &str, longest: usize) -> String {
    let allowed = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        '.' => '.',
        _ => '-',
    };
    let text: String = name.chars().map(allowed).collect();
    let labels = text.split('.').map(|l| l.trim_matches('-'));
    let labels: Vec<&str> = labels.filter(|l| !l.is_empty()).collect();
    let mut text = labels.join(".");
    text.truncate(longest - DIGITS - 1);
    let text = text.trim_end_matches(['.', '-']);
    let digest = Sha256::digest(whole.as_bytes());
    let digits: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    match text.is_empty() {
        true => digits[..DIGITS].to_owned(),
        false => format!("{text}-{}", &digits[..DIGITS]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_dns_is_kept_and_any_other_gets_digits() {
        for (words, name) in [
            (&["idc1"][..], "idc1"),
            (&["node.example.com"], "node.example.com"),
            (&["idc", "tor1"], "idc.tor1"),
            (&["idc1", "10.100.16.0-26"], "idc1.10.100.16.0-26"),
        ] {
            assert_eq!(object(words), name);
        }
        for words in [
            &["Idc1"][..],
            &["a b"],
            &[""],
            &["-"],
            &["机房"],
            &["a.b", "c"],
            &["a", "-b"],
            &["::/0"],
        ] {
            let name = object(words);
            let valid = name.split('.').all(is_label) && name.len() <= LONGEST;
            assert!(valid, "{words:?}: {name}");
            assert_ne!(name, words.join("."));
        }
        assert_ne!(object(&["a.b", "c"]), object(&["a", "b.c"]));
        assert_ne!(object(&["tor 1"]), object(&["tor-1"]));
        assert_eq!(object(&[&"x".repeat(300)]).len(), LONGEST);
        assert_eq!(label(&"x".repeat(300)).len(), LONGEST_LABEL);
    }
}
