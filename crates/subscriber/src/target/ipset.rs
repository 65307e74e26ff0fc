//! Sets of ipset, by the program `ipset`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::TargetError;
use super::command::run;

/// The longest name of a set (IPSET_MAXNAMELEN, with its end), less what is put behind it.
const LONGEST: usize = 31 - NEW.len();
/// Behind the name of the set that takes the other one's place.
const NEW: &str = "-new";

/// The name of a set.
///
/// # Errors
/// [`TargetError::Name`].
pub(super) fn name(text: &str) -> Result<String, TargetError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    match (1..=LONGEST).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('-') {
        true => Ok(text.to_owned()),
        false => Err(TargetError::Name {
            what: "the set",
            name: text.to_owned(),
            program: "ipset",
        }),
    }
}

/// What a set is, and what is in it.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    /// Its type and options, as `ipset create` takes them.
    made: String,
    ipv4: bool,
    entries: BTreeSet<IpAddr>,
}

/// Puts another set with these entries in its place.
pub(super) async fn write(name: &str, list: &BTreeSet<IpAddr>) -> Result<(), TargetError> {
    let found = save(name).await?;
    run("ipset", &["restore", "-exist"], &script(name, &found, list))
        .await
        .map(drop)
}

pub(super) async fn holds(name: &str, list: &BTreeSet<IpAddr>) -> Result<bool, TargetError> {
    let found = save(name).await?;
    Ok(found.entries.iter().eq(fitting(&found, list)))
}

async fn save(name: &str) -> Result<Found, TargetError> {
    let said = run("ipset", &["save", name], "").await?;
    found(name, &said)
}

fn fitting<'a>(
    found: &Found,
    list: &'a BTreeSet<IpAddr>,
) -> impl Iterator<Item = &'a IpAddr> + use<'a> {
    let ipv4 = found.ipv4;
    list.iter().filter(move |address| address.is_ipv4() == ipv4)
}

/// What `ipset save` says.
fn found(name: &str, said: &str) -> Result<Found, TargetError> {
    let unfit = |why: String| TargetError::Unfit {
        target: format!("ipset:{name}"),
        why,
    };
    let create = format!("create {name} ");
    let made = said.lines().find_map(|line| line.strip_prefix(&create));
    let made = made.ok_or_else(|| TargetError::NotUnderstood {
        command: format!("ipset save {name}"),
        what: "it has no line that begins with `create`".to_owned(),
    })?;
    let kind = made.split_whitespace().next().unwrap_or_default();
    if !["hash:ip", "hash:net"].contains(&kind) {
        return Err(unfit(format!(
            "its type is {kind}, not hash:ip or hash:net"
        )));
    }
    let add = format!("add {name} ");
    let entries = said
        .lines()
        .filter_map(|line| line.strip_prefix(&add))
        .map(|entry| {
            let address = entry.split_whitespace().next().unwrap_or_default();
            address
                .parse()
                .map_err(|_| unfit(format!("it holds {address}, which is no address")))
        });
    Ok(Found {
        made: made.trim().to_owned(),
        ipv4: !made.contains("family inet6"),
        entries: entries.collect::<Result<_, _>>()?,
    })
}

fn script(name: &str, found: &Found, list: &BTreeSet<IpAddr>) -> String {
    let new = format!("{name}{NEW}");
    let mut script = format!("create {new} {}\nflush {new}\n", found.made);
    for address in fitting(found, list) {
        script += &format!("add {new} {address}\n");
    }
    script + &format!("swap {new} {name}\ndestroy {new}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_set_of_the_same_making_takes_its_place() {
        let said = "create web hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12\n\
                    add web 10.0.0.9\nadd web 10.0.0.8 comment \"x\"\n";
        let found = found("web", said).expect("a set");
        assert_eq!((found.ipv4, found.entries.len()), (true, 2));
        let list: BTreeSet<IpAddr> = ["10.0.0.1", "fd00::1"]
            .map(|a| a.parse().expect("an address"))
            .into();
        assert_eq!(
            script("web", &found, &list),
            "create web-new hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12\n\
             flush web-new\nadd web-new 10.0.0.1\nswap web-new web\ndestroy web-new\n"
        );
    }

    #[test]
    fn what_holds_no_single_addresses_is_refused() {
        let ports = "create web bitmap:port range 0-1024\n";
        assert!(
            found("web", ports)
                .expect_err("ports")
                .to_string()
                .contains("bitmap:port")
        );
        let prefix = "create web hash:net family inet6\nadd web fd00::/64\n";
        assert!(
            found("web", prefix)
                .expect_err("a prefix")
                .to_string()
                .contains("fd00::/64")
        );
        assert!(found("web", "").is_err());
    }
}
