//! What is bound to the NIC's name, and would not follow to the host's port.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A line of some configuration that names the NIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Where it stands: a command, or a file.
    pub place: String,
    /// The line that names the NIC, as it stands there.
    pub line: String,
}

/// The lines of `text` that have `device` as a word. A sub-interface is another word.
pub fn bound_to(device: &str, place: &str, text: &str) -> Vec<Bound> {
    text.lines()
        .map(str::trim)
        .filter(|line| has_word(line, device))
        .map(|line| Bound {
            place: place.to_owned(),
            line: line.to_owned(),
        })
        .collect()
}

fn has_word(line: &str, device: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    line.split(|c| !part(c)).any(|word| word == device)
}

/// Lists of firewall rules; each shows nothing where the program is not installed.
const FIREWALLS: [&[&str]; 3] = [
    &["nft", "list", "ruleset"],
    &["iptables-legacy-save"],
    &["ip6tables-legacy-save"],
];
/// Queueing disciplines that the kernel gives to every device.
const DEFAULT_QDISCS: [&str; 4] = ["noqueue", "pfifo_fast", "fq_codel", "mq"];

/// Firewall rules, queueing disciplines and resolver settings that name `device`.
pub fn look_for_bound(device: &str, ifindex: u32) -> Vec<Bound> {
    let mut found = Vec::new();
    for command in FIREWALLS {
        let text = run(command);
        // Tables of this kind are another program's view of what nft lists.
        found.extend(bound_to(device, &command.join(" "), &text));
    }
    found.extend(qdiscs(device));
    found.extend(resolver(device, ifindex));
    found
}

fn qdiscs(device: &str) -> Vec<Bound> {
    let command = ["tc", "qdisc", "show", "dev", device];
    let place = command.join(" ");
    let mut found: Vec<Bound> = run(&command)
        .lines()
        .filter(|line| {
            let kind = line.split_whitespace().nth(1).unwrap_or_default();
            !line.is_empty() && !DEFAULT_QDISCS.contains(&kind)
        })
        .map(|line| Bound {
            place: place.clone(),
            line: line.trim().to_owned(),
        })
        .collect();
    for parent in ["root", "ingress"] {
        let command = ["tc", "filter", "show", "dev", device, parent];
        found.extend(
            run(&command)
                .lines()
                .filter(|l| !l.is_empty())
                .map(|line| Bound {
                    place: command.join(" "),
                    line: line.trim().to_owned(),
                }),
        );
    }
    found
}

/// systemd-resolved's servers of the link, and ifupdown's `dns-…` lines of it.
fn resolver(device: &str, ifindex: u32) -> Vec<Bound> {
    let mut found = Vec::new();
    let link = format!("/run/systemd/resolve/netif/{ifindex}");
    for line in read(Path::new(&link)).lines() {
        if line.starts_with("SERVERS=") || line.starts_with("DOMAINS=") {
            found.push(Bound {
                place: link.clone(),
                line: line.to_owned(),
            });
        }
    }
    let mut files = vec![Path::new("/etc/network/interfaces").to_owned()];
    if let Ok(more) = fs::read_dir("/etc/network/interfaces.d") {
        files.extend(more.filter_map(Result::ok).map(|e| e.path()));
    }
    for file in files {
        found.extend(dns_lines(device, &file.display().to_string(), &read(&file)));
    }
    found
}

/// The `dns-…` lines of the device's stanzas (interfaces(5), resolvconf(8)).
fn dns_lines(device: &str, place: &str, text: &str) -> Vec<Bound> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("iface") => inside = words.next() == Some(device),
            Some("auto" | "allow-hotplug" | "mapping" | "source") => inside = false,
            Some(word) if inside && word.starts_with("dns-") => found.push(Bound {
                place: place.to_owned(),
                line: line.to_owned(),
            }),
            _ => {}
        }
    }
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What a command writes; nothing where it is not installed or fails.
fn run(command: &[&str]) -> String {
    let Some((program, arguments)) = command.split_first() else {
        return String::new();
    };
    Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|o| o.status.success())
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_bound_to_the_device_that_is_a_word_of_it() {
        let text = "chain input {\n  iifname \"eth0\" tcp dport 22 accept\n  iifname \"eth0.10\" \
                    drop\n  oif eth01 drop\n}";
        let found = bound_to("eth0", "nft list ruleset", text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, "iifname \"eth0\" tcp dport 22 accept");
        assert_eq!(bound_to("eth0", "", "-A INPUT -i eth0 -j ACCEPT").len(), 1);
    }

    #[test]
    fn the_resolvers_lines_are_those_of_the_devices_stanza() {
        let text = "auto eth0\niface eth0 inet static\n  address 10.0.0.5/24\n  dns-nameservers \
                    10.0.0.2\niface eth1 inet static\n  dns-search x\n";
        let found = dns_lines("eth0", "interfaces", text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, "dns-nameservers 10.0.0.2");
    }
}
