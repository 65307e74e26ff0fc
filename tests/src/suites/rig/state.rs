//! What a node looks like: compared before and after, nothing may differ that should not.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;

use super::Rig;

/// Ports, flows, meters, links, routes, attachments and the spool of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::suites) struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// Looks at the node of a rig.
    pub(in crate::suites) fn take(rig: &Rig) -> Result<Self> {
        let mut seen = BTreeSet::new();
        for table in ["Port", "Interface"] {
            let columns = match table {
                "Port" => "name,tag,trunks,external_ids",
                _ => "name,ofport,type,external_ids",
            };
            let rows = rig.vsctl(&[
                "--format=csv",
                "--no-headings",
                "--columns",
                columns,
                "list",
                table,
            ])?;
            seen.extend(rows.lines().map(|l| format!("{table} {l}")));
        }
        let flows = rig.ofctl(&["--no-stats", "dump-flows", "br-flat"])?;
        // Which line is first differs from time to time, and a header is not always there.
        let flows = flows.lines().filter(|l| l.contains("actions="));
        seen.extend(flows.map(|l| format!("flow {}", l.trim())));
        let meters = rig.ofctl(&["dump-meters", "br-flat"])?;
        seen.extend(
            meters
                .lines()
                .skip(1)
                .map(|l| format!("meter {}", l.trim())),
        );
        let links: Value = serde_json::from_str(&rig.on_node("ip", &["-j", "link"])?)?;
        for link in links.as_array().into_iter().flatten() {
            seen.insert(format!("link {} {}", link["ifindex"], link["ifname"]));
        }
        for family in ["-4", "-6"] {
            let routes = rig.on_node("ip", &[family, "route"])?;
            seen.extend(routes.lines().map(|l| format!("route {}", l.trim())));
        }
        seen.extend(rig.attachments()?.iter().map(|a| format!("attachment {a}")));
        seen.extend(
            rig.spool()?
                .iter()
                .map(|f| format!("spool {}", f.display())),
        );
        Ok(Self(seen))
    }

    /// What came and what went, a line each.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let came = now.0.difference(&self.0).map(|l| format!("new: {l}"));
        let went = self.0.difference(&now.0).map(|l| format!("gone: {l}"));
        came.chain(went).collect()
    }

    /// Whether any line has all of these words.
    pub(in crate::suites) fn has(&self, words: &[&str]) -> bool {
        self.0
            .iter()
            .any(|line| words.iter().all(|w| line.contains(w)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_what_went_is_told_also_of_a_flow_with_a_timeout() {
        let shot = |lines: &[&str]| Snapshot(lines.iter().map(|&l| l.to_owned()).collect());
        let flow = "flow table=3, idle_timeout=30,tcp actions=output:2";
        let (before, after) = (shot(&["port a", flow]), shot(&["port a"]));
        assert!(before.differences(&before).is_empty());
        assert_eq!(before.differences(&after), [format!("gone: {flow}")]);
        assert_eq!(after.differences(&before), [format!("new: {flow}")]);
    }
}
