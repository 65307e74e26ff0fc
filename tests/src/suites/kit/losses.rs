//! Where kernels count what they drop: what grew of it while a check ran says where a packet was lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::netns;

/// Parts of the names that kernels give to counters of what went wrong.
const WRONG: [&str; 8] = [
    "fail", "drop", "err", "timeout", "discard", "noport", "invalid", "route",
];

/// What namespaces had counted when this was made.
#[derive(Debug)]
pub(in crate::suites) struct Losses {
    begun: Vec<(PathBuf, BTreeMap<String, u64>)>,
}

impl Losses {
    /// From now on, in these namespaces.
    ///
    /// # Errors
    /// If one cannot be entered, or its counters cannot be read.
    pub(in crate::suites) fn watch<'a>(
        namespaces: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Self> {
        let of = |netns: &Path| Ok((netns.to_owned(), counters(netns)?));
        let begun = namespaces.into_iter().map(of).collect::<Result<Vec<_>>>()?;
        Ok(Self { begun })
    }

    /// What grew, by namespace, in one line.
    pub(in crate::suites) fn grew(&self) -> String {
        let mut found = Vec::new();
        for (netns, before) in &self.begun {
            let Ok(now) = counters(netns) else {
                found.push(format!("{} is gone", netns.display()));
                continue;
            };
            let name = netns.file_name().unwrap_or_default().to_string_lossy();
            for (counter, value) in now {
                let by = value.saturating_sub(before.get(&counter).copied().unwrap_or(0));
                if by > 0 {
                    found.push(format!("{name} {counter} {by}"));
                }
            }
        }
        if found.is_empty() {
            "no kernel counted a loss".to_owned()
        } else {
            format!("counted meanwhile: {}", found.join(", "))
        }
    }
}

fn counters(netns: &Path) -> Result<BTreeMap<String, u64>> {
    let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
    let texts = netns::enter(netns, || {
        // A kernel without connection tracking has no such file.
        let tracked = read("stat/nf_conntrack").unwrap_or_default();
        Ok::<_, std::io::Error>([read("snmp")?, read("snmp6")?, tracked])
    })?;
    let [snmp, snmp6, tracked] =
        texts.with_context(|| format!("the counters of {}", netns.display()))?;
    let mut all = pairs_of_lines(&snmp);
    all.extend(names_and_values(&snmp6));
    all.extend(columns(&tracked));
    let wrong = |name: &String| {
        let name = name.to_lowercase();
        WRONG.iter().any(|part| name.contains(part))
    };
    all.retain(|name, _| wrong(name));
    Ok(all)
}

/// `/proc/net/snmp`: a line of names, and one of their values.
fn pairs_of_lines(text: &str) -> BTreeMap<String, u64> {
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.chunks_exact(2).flat_map(|pair| {
        let of = pair[0].split_whitespace().next().unwrap_or_default();
        let both = pair[0].split_whitespace().zip(pair[1].split_whitespace());
        both.skip(1)
            .filter_map(move |(name, value)| Some((format!("{of}{name}"), value.parse().ok()?)))
    });
    pairs.collect()
}

/// `/proc/net/snmp6`: a name and a value a line.
fn names_and_values(text: &str) -> BTreeMap<String, u64> {
    let lines = text
        .lines()
        .filter_map(|l| l.split_once(char::is_whitespace));
    lines
        .filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?)))
        .collect()
}

/// `/proc/net/stat/nf_conntrack`: a line of names, and one of hexadecimal values for each processor.
fn columns(text: &str) -> BTreeMap<String, u64> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let mut sums = BTreeMap::new();
    for line in lines {
        for (name, value) in names.iter().zip(line.split_whitespace()) {
            let value = u64::from_str_radix(value, 16).unwrap_or(0);
            *sums.entry(format!("conntrack:{name}")).or_insert(0) += value;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_counters_is_read_in_its_own_form() {
        let snmp = "Ip: Forwarding ReasmFails\nIp: 1 7\nUdp: NoPorts\nUdp: 3\n";
        let read = pairs_of_lines(snmp);
        assert_eq!((read["Ip:ReasmFails"], read["Udp:NoPorts"]), (7, 3));
        assert_eq!(
            names_and_values("Ip6ReasmFails   \t12\n")["Ip6ReasmFails"],
            12
        );
        let tracked = columns("entries  insert_failed\n00000002 0000000a\n00000002 00000006\n");
        assert_eq!(tracked["conntrack:insert_failed"], 16);
    }
}
