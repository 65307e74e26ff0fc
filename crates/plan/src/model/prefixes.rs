//! Prefixes as a plan has them: an address, a slash, a length, and nothing else.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Deserializer, de};

/// A prefix in a list.
struct Written(IpNetwork);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer).map(Self)
    }
}

struct Prefix;

impl de::Visitor<'_> for Prefix {
    type Value = IpNetwork;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a prefix such as 10.0.0.0/24")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<IpNetwork, E> {
        parse(text).map_err(E::custom)
    }
}

/// Reads one prefix.
pub(super) fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNetwork, D::Error> {
    deserializer.deserialize_str(Prefix)
}

/// Reads a list of prefixes.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNetwork>, D::Error> {
    let all = Vec::<Written>::deserialize(deserializer)?;
    Ok(all.into_iter().map(|written| written.0).collect())
}

/// What is wrong with a prefix is said in its own words, with what to write instead.
fn parse(text: &str) -> Result<IpNetwork, String> {
    let Some((address, length)) = text.split_once('/') else {
        return Err(match text.parse::<IpAddr>() {
            Ok(address) => {
                let whole = if address.is_ipv4() { 32 } else { 128 };
                format!(
                    "`{text}` has no length: write {text}/{whole} for this one address, or the length that is meant"
                )
            }
            Err(_) => format!(
                "`{text}` is no prefix: an address, a slash and a length, such as 10.0.0.0/24"
            ),
        });
    };
    let Ok(first) = address.parse::<IpAddr>() else {
        return Err(format!("`{address}` is no address of IPv4 or IPv6"));
    };
    let most = if first.is_ipv4() { 32 } else { 128 };
    let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        let mask: Option<IpNetwork> = text.parse().ok().filter(|_| length.contains('.'));
        return Err(match mask {
            Some(mask) => format!("`{length}` is a netmask: write {address}/{}", mask.prefix()),
            None => format!("`{length}` is no length: a number from 0 to {most} is wanted"),
        });
    }
    let number: Option<u8> = length.parse().ok().filter(|n| *n <= most);
    let Some(number) = number else {
        return Err(format!(
            "`/{length}` is no length: the family has 0 to {most}"
        ));
    };
    if number.to_string() != length {
        return Err(format!("`/{length}` begins with a zero: write /{number}"));
    }
    IpNetwork::new(first, number).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_prefix_is_an_address_and_a_length() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "10.0.0.1/32",
            "fd00::/8",
            "::/0",
            "fd00::1/128",
        ] {
            assert_eq!(parse(text).expect(text).to_string(), text);
        }
        for (text, wanted) in [
            ("10.233.0.0", "write 10.233.0.0/32"),
            ("fd00::1", "write fd00::1/128"),
            ("10.0.0.0/255.255.252.0", "write 10.0.0.0/22"),
            ("10.0.0.0/33", "0 to 32"),
            ("10.0.0.0/08", "write /8"),
            ("10.0.0.0/", "no length"),
            ("10.0.0/8", "no address"),
            ("10.0.0.256/8", "no address"),
            ("ten", "no prefix"),
            ("10.0.0.0/+8", "no length"),
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }
}
