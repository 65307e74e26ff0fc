//! The demo's outcome as JSON.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result};
use ipnetwork::IpNetwork;
use serde::Serialize;

use super::cluster::Reach;

/// All of it; the form is fixed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Report {
    /// Every cell is as the plan says, and the wire proves what it is to prove.
    pub(super) ok: bool,
    pub(super) attachments: Vec<Attachment>,
    pub(super) cells: Vec<Cell>,
    pub(super) wire: Vec<Wire>,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Attachment {
    pub(super) node: String,
    pub(super) network: String,
    #[serde(serialize_with = "bare")]
    pub(super) addresses: Vec<IpNetwork>,
    pub(super) mac: String,
}

/// One container and one address.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Cell {
    /// Name and address, with a blank between.
    pub(super) from: String,
    /// Name and address, with a blank between.
    pub(super) to: String,
    pub(super) expected: Reach,
    pub(super) observed: Reach,
    pub(super) ok: bool,
    /// In microseconds; null where nothing answered.
    pub(super) rtt_us: Option<u64>,
}

/// One place of the wire.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Wire {
    #[serde(rename = "where")]
    pub(super) place: String,
    pub(super) frames: usize,
    /// A frame was in anything but one 802.1Q tag.
    pub(super) encapsulated: bool,
    /// A packet bore other addresses than its sender's and receiver's.
    pub(super) source_rewritten: bool,
}

/// Addresses without prefix lengths, as the cells have them.
fn bare<S: serde::Serializer>(addresses: &[IpNetwork], s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(addresses.iter().map(|a| -> IpAddr { a.ip() }))
}

impl Report {
    /// Writes it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        std::fs::write(file, json + "\n")
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_form_is_the_one_that_was_promised() {
        let report = Report {
            ok: false,
            attachments: vec![Attachment {
                node: "idc1".to_owned(),
                network: "web".to_owned(),
                addresses: vec!["10.100.16.2/16".parse().expect("an address")],
                mac: "0a:f1:0a:64:10:02".to_owned(),
            }],
            cells: vec![Cell {
                from: "idc1/web/a 10.100.16.2".to_owned(),
                to: "idc2 10.10.0.12".to_owned(),
                expected: Reach::Reachable,
                observed: Reach::Unreachable,
                ok: false,
                rtt_us: None,
            }],
            wire: vec![Wire {
                place: "idc1 uplink eth0".to_owned(),
                frames: 3,
                encapsulated: false,
                source_rewritten: false,
            }],
        };
        assert_eq!(
            serde_json::to_value(&report).expect("JSON"),
            json!({
                "ok": false,
                "attachments": [{"node": "idc1", "network": "web",
                    "addresses": ["10.100.16.2"], "mac": "0a:f1:0a:64:10:02"}],
                "cells": [{"from": "idc1/web/a 10.100.16.2", "to": "idc2 10.10.0.12",
                    "expected": "reachable", "observed": "unreachable",
                    "ok": false, "rtt_us": null}],
                "wire": [{"where": "idc1 uplink eth0", "frames": 3,
                    "encapsulated": false, "source_rewritten": false}],
            })
        );
    }
}
