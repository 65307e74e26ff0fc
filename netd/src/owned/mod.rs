//! What netd owns on a host: a table of everything that the data path depends on, how netd learns
//! of a change, and how it responds.
//!
//! ```text
//!   [ovs] rows ─┐
//!   [host] rows ┼─▶ sections() ─▶ render() ─▶ docs/owned.md  (a test fails while it is stale)
//!   …           ┘        └──────▶ tests: each event source is really watched
//! ```
//!
//! A new dependency of the data path needs a row here.

use std::fmt::{self, Write as _};

mod host;
mod ovs;

/// How netd learns that something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A column that the session with Open vSwitch's database monitors.
    Column {
        /// The table of ovs-vswitchd.conf.db(5).
        table: &'static str,
        /// Name of the column in that table.
        column: &'static str,
    },
    /// The standing flow monitor on the bridge's OpenFlow connection.
    FlowMonitor,
    /// PORT_STATUS on the bridge's OpenFlow connection.
    PortStatus,
    /// A connection that breaks or does not answer; the text names it.
    Connection(&'static str),
    /// A multicast group of netlink, as `linux/rtnetlink.h` or `linux/nfnetlink.h` names it.
    Netlink(&'static str),
    /// It has no event: netd reads it once a second.
    Polled,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column { table, column } => write!(f, "OVSDB `{table}.{column}`"),
            Self::FlowMonitor => f.write_str("OpenFlow flow monitor"),
            Self::PortStatus => f.write_str("OpenFlow port status"),
            Self::Connection(which) => write!(f, "the connection to {which}"),
            Self::Netlink(group) => write!(f, "netlink `{group}`"),
            Self::Polled => f.write_str("polled each second"),
        }
    }
}

/// How netd responds when a row differs from what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// netd repairs it within a second.
    Repair,
    /// netd changes nothing and posts the problem of this code within two seconds.
    Report(&'static str),
    /// netd posts the problem of this code until it may repair it.
    ReportThenRepair(&'static str),
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repair => f.write_str("repaired"),
            Self::Report(code) => write!(f, "named: `{code}`"),
            Self::ReportThenRepair(code) => write!(f, "named: `{code}`, then repaired"),
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// The setting, as the tool that shows it writes it.
    pub what: &'static str,
    /// The wanted value.
    pub wanted: &'static str,
    /// How netd learns of a change.
    pub source: Source,
    /// How netd responds to a difference.
    pub response: Response,
}

/// Rows that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Heading of the section in docs/owned.md.
    pub title: &'static str,
    /// What applies to all rows; Markdown.
    pub about: &'static str,
    /// The section's rows.
    pub rows: &'static [Owned],
}

/// The whole table.
pub fn sections() -> Vec<Section> {
    [ovs::SECTIONS, host::SECTIONS].concat()
}

/// The text before the tables of docs/owned.md.
const HEAD: &str = "\
# What netd owns on a host

This page is made from the table in `netd/src/owned/`; a test fails while the two differ
(`UPDATE_DOCS=1 cargo test -p flatnet-netd --lib owned` writes it anew). It lists everything that the
data path depends on: what it has to be, how netd learns that somebody changed it, and what netd does
then. What is *repaired* is as it was within a second, without the minute's sweep. What is *named* is
not netd's to change: within two seconds `flatctl node status`, `/v1/node` and the metric
`flatnet_problems` name it, with the command that repairs it.
";

/// Renders docs/owned.md.
pub fn render() -> String {
    let mut page = HEAD.to_owned();
    for section in sections() {
        // Writing to a string does not fail.
        let _ = write!(page, "\n## {}\n\n{}\n\n", section.title, section.about);
        page.push_str("| what | wanted | watched by | when it differs |\n|---|---|---|---|\n");
        for row in section.rows {
            let Owned {
                what,
                wanted,
                source,
                response,
            } = row;
            let _ = writeln!(page, "| {what} | {wanted} | {source} | {response} |");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_matches_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/owned.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, render()).expect("docs/owned.md is written");
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            page,
            render(),
            "UPDATE_DOCS=1 cargo test -p flatnet-netd --lib owned"
        );
    }

    #[test]
    fn rows_are_valid_markdown_and_unique() {
        let mut known = std::collections::BTreeSet::new();
        for section in sections() {
            for row in section.rows {
                assert!(!format!("{row:?}").contains('|'), "{row:?}");
                assert!(known.insert((section.title, row.what)), "twice: {row:?}");
            }
        }
    }
}
