//! Sets of nftables, by the program `nft`.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

use super::TargetError;
use super::command::run;

const FAMILIES: [&str; 6] = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];
/// The longest name (NFT_NAME_MAXLEN, with its end).
const LONGEST: usize = 255;

/// A set of nftables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NftSet {
    family: String,
    table: String,
    set: String,
}

/// What a set is, and what is in it.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    ipv4: bool,
    elements: BTreeSet<IpAddr>,
}

impl NftSet {
    /// Of `FAMILY/TABLE/SET`; `None` where it has not that form.
    pub(super) fn parse(text: &str) -> Option<Result<Self, TargetError>> {
        let [family, table, set]: [&str; 3] =
            text.splitn(3, '/').collect::<Vec<_>>().try_into().ok()?;
        let name = |what, name: &str, fits: bool| match fits {
            true => Ok(name.to_owned()),
            false => Err(TargetError::Name {
                what,
                name: name.to_owned(),
                program: "nft",
            }),
        };
        let make = || {
            Ok(Self {
                family: name("the family", family, FAMILIES.contains(&family))?,
                table: name("the table", table, is_name(table))?,
                set: name("the set", set, is_name(set))?,
            })
        };
        Some(make())
    }

    /// Replaces all elements in one transaction.
    pub(super) async fn write(&self, list: &BTreeSet<IpAddr>) -> Result<(), TargetError> {
        let found = self.list().await?;
        run("nft", &["-f", "-"], &self.script(&found, list))
            .await
            .map(drop)
    }

    pub(super) async fn holds(&self, list: &BTreeSet<IpAddr>) -> Result<bool, TargetError> {
        let found = self.list().await?;
        Ok(found.elements.iter().eq(found.fitting(list)))
    }

    async fn list(&self) -> Result<Found, TargetError> {
        let args = ["-j", "list", "set", &self.family, &self.table, &self.set];
        let said = run("nft", &args, "").await?;
        self.found(&said)
    }

    /// What `nft -j list set` says (libnftables-json(5), SET).
    fn found(&self, said: &str) -> Result<Found, TargetError> {
        let not_understood = |what: &str| TargetError::NotUnderstood {
            command: "nft -j list set".to_owned(),
            what: what.to_owned(),
        };
        let said: Value = serde_json::from_str(said).map_err(|e| not_understood(&e.to_string()))?;
        let all = said["nftables"].as_array().into_iter().flatten();
        let set = all.filter_map(|object| object.get("set")).next();
        let set = set.ok_or_else(|| not_understood("there is no set in it"))?;
        let unfit = |why: String| TargetError::Unfit {
            target: self.to_string(),
            why,
        };
        let ipv4 = match &set["type"] {
            Value::String(kind) if kind == "ipv4_addr" => true,
            Value::String(kind) if kind == "ipv6_addr" => false,
            other => {
                return Err(unfit(format!(
                    "its type is {other}, not ipv4_addr or ipv6_addr"
                )));
            }
        };
        if set["auto-merge"] == true {
            return Err(unfit(
                "it joins neighbouring addresses (auto-merge)".to_owned(),
            ));
        }
        let elements = set["elem"].as_array().into_iter().flatten().map(|element| {
            // One with a comment, a counter or a timeout is an object.
            let value = element.get("elem").map_or(element, |e| &e["val"]);
            let address = value.as_str().and_then(|text| text.parse().ok());
            address.ok_or_else(|| unfit(format!("it holds {value}, which is no address")))
        });
        Ok(Found {
            ipv4,
            elements: elements.collect::<Result<_, _>>()?,
        })
    }

    fn script(&self, found: &Found, list: &BTreeSet<IpAddr>) -> String {
        let at = format!("{} {} {}", self.family, self.table, self.set);
        let elements: Vec<String> = found.fitting(list).map(IpAddr::to_string).collect();
        match elements.is_empty() {
            true => format!("flush set {at}\n"),
            false => format!(
                "flush set {at}\nadd element {at} {{ {} }}\n",
                elements.join(", ")
            ),
        }
    }
}

impl Found {
    /// The addresses of the set's family.
    fn fitting<'a>(
        &self,
        list: &'a BTreeSet<IpAddr>,
    ) -> impl Iterator<Item = &'a IpAddr> + use<'a> {
        let ipv4 = self.ipv4;
        list.iter().filter(move |address| address.is_ipv4() == ipv4)
    }
}

/// nft's own: a letter first, then letters, digits, `_`, `.`, `-`.
fn is_name(text: &str) -> bool {
    let first = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    first && text.len() <= LONGEST && text.chars().all(inner)
}

impl fmt::Display for NftSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nft:{}/{}/{}", self.family, self.table, self.set)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn web() -> NftSet {
        NftSet::parse("inet/filter/web")
            .expect("the form")
            .expect("names")
    }

    fn said(set: &Value) -> String {
        json!({"nftables": [{"metainfo": {"json_schema_version": 1}}, {"set": set}]}).to_string()
    }

    fn list() -> BTreeSet<IpAddr> {
        ["10.0.0.1", "10.0.0.2", "fd00::1"]
            .map(|a| a.parse().expect("an address"))
            .into()
    }

    #[test]
    fn a_set_is_replaced_in_one_transaction_by_what_is_of_its_family() {
        let set = json!({"type": "ipv4_addr", "elem": ["10.0.0.9", {"elem": {"val": "10.0.0.1", "comment": "x"}}]});
        let found = web().found(&said(&set)).expect("a set");
        assert_eq!((found.ipv4, found.elements.len()), (true, 2));
        assert_eq!(
            web().script(&found, &list()),
            "flush set inet filter web\nadd element inet filter web { 10.0.0.1, 10.0.0.2 }\n"
        );
        let empty = web()
            .found(&said(&json!({"type": "ipv6_addr"})))
            .expect("a set");
        assert_eq!(
            web().script(&empty, &list()),
            "flush set inet filter web\nadd element inet filter web { fd00::1 }\n"
        );
        assert_eq!(
            web().script(&empty, &BTreeSet::new()),
            "flush set inet filter web\n"
        );
    }

    #[test]
    fn a_set_that_cannot_hold_single_addresses_is_refused() {
        for (set, words) in [
            (json!({"type": "inet_service"}), "its type is"),
            (
                json!({"type": ["ipv4_addr", "inet_service"]}),
                "its type is",
            ),
            (
                json!({"type": "ipv4_addr", "flags": ["interval"], "auto-merge": true}),
                "auto-merge",
            ),
            (
                json!({"type": "ipv4_addr", "elem": [{"prefix": {"addr": "10.0.0.0", "len": 8}}]}),
                "no address",
            ),
        ] {
            let error = web().found(&said(&set)).expect_err("unfit").to_string();
            assert!(
                error.contains(words) && error.contains("nft:inet/filter/web"),
                "{error}"
            );
        }
        assert!(
            web()
                .found("{}")
                .expect_err("nothing")
                .to_string()
                .contains("no set")
        );
        assert!(web().found("{").is_err());
    }
}
