//! A document that grows: hosts are added to a group, or a VLAN to a site, as the least
//! edits of the text.
//!
//! ```text
//!   text ─▶ tree with places ─▶ edits ─▶ text' ─▶ read again ─▶ every host as it was?
//! ```
//!
//! Comments, order and quoting stay as they are: only what has to change is written. The
//! answer is not trusted but verified: both texts are written out, and every host that was
//! there must be there with everything it had. A growth that would make an error is refused
//! with that error.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_types::{NodeName, VlanId};
use ipnetwork::IpNetwork;
use serde::Serialize;
use thiserror::Error;

use crate::diagnostics::{Report, Severity, diagnose};
use crate::model::{Host, NetworkPlan, VlanRole};
use crate::source::{self, Node};

use text::Edits;

/// A document that has grown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grown {
    /// The document.
    #[serde(skip)]
    pub text: String,
    /// The hosts that are new, in the order of the plan.
    pub hosts: Vec<NewHost>,
    /// How many hosts were there before, each of which is as it was.
    pub kept: usize,
}

/// A host that is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewHost {
    /// Its name.
    pub name: NodeName,
    /// Its addresses.
    pub addresses: Vec<IpNetwork>,
    /// Its ranges, each with its network.
    pub ranges: Vec<(String, IpNetwork)>,
}

/// A VLAN to add, with a network of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVlan {
    /// The IDC.
    pub site: String,
    /// The 802.1Q ID.
    pub id: VlanId,
    /// Its name, and its network's.
    pub name: String,
    /// What it is for. Only a VLAN for containers gets a network.
    pub role: VlanRole,
    /// Its subnets and their routers; the router's address is the first where none is given.
    pub subnets: Vec<(IpNetwork, Option<IpAddr>)>,
}

/// Why a document does not grow.
#[derive(Debug, Error)]
pub enum GrowError {
    /// The text is no plan.
    #[error("the plan cannot be read")]
    Unreadable(Box<Report>),
    /// There is no such group or site.
    #[error("the plan has no {kind} {name:?}")]
    Unknown {
        /// `host group` or `site`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The group lists its instance IDs.
    #[error("group {group} lists its instance IDs, and {missing} more are needed")]
    InstanceIds {
        /// The group.
        group: String,
        /// How many.
        missing: u32,
    },
    /// The place is not written in a form that can be edited.
    #[error("line {line}: {what} is not written in a form that can be edited")]
    Form {
        /// The line, from 1.
        line: u32,
        /// What stands there.
        what: &'static str,
    },
    /// The number is 0, or too large.
    #[error("{0} is no number of hosts to add")]
    Count(u32),
    /// The grown plan would have errors that the present one has not.
    #[error("the plan would have errors")]
    WouldBreak(Box<Report>),
    /// Something would move. A fault of ours: the text is left alone.
    #[error("host {host} would not stay as it is")]
    WouldMove {
        /// The host.
        host: NodeName,
    },
}

/// Adds hosts to a group, at its end.
///
/// # Errors
/// [`GrowError`]; the text is then as it was.
pub fn add_hosts(text: &str, group: &str, count: u32) -> Result<Grown, GrowError> {
    let before = readable(text)?;
    let tree = tree(text)?;
    let groups = &before.plan.spec.host_groups;
    let index = groups.iter().position(|g| g.name == group);
    let index = index.ok_or_else(|| GrowError::Unknown {
        kind: "host group",
        name: group.to_owned(),
        known: groups.iter().map(|g| g.name.clone()).collect(),
    })?;
    let of = &groups[index];
    let wanted = of.count.checked_add(count).filter(|_| count > 0);
    let wanted = wanted.ok_or(GrowError::Count(count))?;
    let ids = u32::try_from(of.instance_ids.len()).unwrap_or(u32::MAX);
    if ids > 0 && ids < wanted {
        return Err(GrowError::InstanceIds {
            group: group.to_owned(),
            missing: wanted - ids,
        });
    }
    let spec = tree.get("spec");
    let node = spec
        .and_then(|s| s.get("hostGroups"))
        .and_then(|g| g.items().get(index))
        .and_then(|g| g.get("count"));
    let mut edits = Edits::of(text);
    // An aliased group stands elsewhere: the place must show the number that was read.
    let place = node.filter(|n| edits.at(n.span) == Some(of.count.to_string().as_str()));
    let place = place.ok_or(GrowError::Form {
        line: node.map_or(1, |n| n.span.line),
        what: "the group's count",
    })?;
    edits.replace(place.span, &wanted.to_string());
    let grown = verified(&before, edits.apply())?;
    let added = usize::try_from(count).unwrap_or(usize::MAX);
    match grown.hosts.len() == added {
        true => Ok(grown),
        false => Err(GrowError::Count(count)),
    }
}

/// Adds a VLAN to a site, and for containers a network with its subnets as pools.
///
/// # Errors
/// [`GrowError`]; the text is then as it was.
pub fn add_vlan(text: &str, vlan: &NewVlan) -> Result<Grown, GrowError> {
    let before = readable(text)?;
    let tree = tree(text)?;
    let sites = &before.plan.spec.sites;
    let index = sites.iter().position(|s| s.name == vlan.site);
    let index = index.ok_or_else(|| GrowError::Unknown {
        kind: "site",
        name: vlan.site.clone(),
        known: sites.iter().map(|s| s.name.clone()).collect(),
    })?;
    let mut edits = Edits::of(text);
    let spec = tree.get("spec");
    let site = spec
        .and_then(|s| s.get("sites"))
        .and_then(|s| s.items().get(index));
    let list = site.and_then(|s| s.get("vlans"));
    append(
        &mut edits,
        list,
        site,
        "the site's list of VLANs",
        &vlan_item(vlan),
    )?;
    if vlan.role == VlanRole::Pod {
        let networks = spec.and_then(|s| s.get("networks"));
        append(
            &mut edits,
            networks,
            spec,
            "the list of networks",
            &network_item(vlan),
        )?;
    }
    verified(&before, edits.apply())
}

fn append(
    edits: &mut Edits<'_>,
    list: Option<&Node<'_>>,
    around: Option<&Node<'_>>,
    what: &'static str,
    item: &str,
) -> Result<(), GrowError> {
    let form = |node: Option<&Node<'_>>| GrowError::Form {
        line: node.map_or(1, |n| n.span.line),
        what,
    };
    let list = list.ok_or_else(|| form(around))?;
    edits.append(list, item).ok_or_else(|| form(Some(list)))
}

fn vlan_item(vlan: &NewVlan) -> String {
    let subnets: Vec<String> = vlan
        .subnets
        .iter()
        .map(|(prefix, gateway)| {
            let gateway = gateway.unwrap_or_else(|| crate::prefix::first_address(*prefix));
            let (prefix, gateway) = (text::scalar(prefix), text::scalar(&gateway));
            format!("{{prefix: {prefix}, gateway: {gateway}}}")
        })
        .collect();
    format!(
        "{{id: {}, name: {}, role: {}, subnets: [{}]}}",
        vlan.id,
        text::scalar(&vlan.name),
        vlan.role.as_str(),
        subnets.join(", ")
    )
}

fn network_item(vlan: &NewVlan) -> String {
    let pools: Vec<String> = vlan
        .subnets
        .iter()
        .map(|(prefix, _)| format!("{{prefix: {}}}", text::scalar(prefix)))
        .collect();
    format!(
        "{{name: {}, site: {}, vlan: {}, pools: [{}]}}",
        text::scalar(&vlan.name),
        text::scalar(&vlan.site),
        vlan.id,
        pools.join(", ")
    )
}

/// A document as it was before.
struct Before {
    plan: NetworkPlan,
    hosts: Vec<Host>,
    errors: BTreeSet<(&'static str, String)>,
}

fn readable(text: &str) -> Result<Before, GrowError> {
    let mut report = diagnose(text, "plan");
    match report.take_document() {
        Some(document) => Ok(Before {
            plan: document.written,
            hosts: document.expanded.plan.spec.hosts,
            errors: errors(&report),
        }),
        None => Err(GrowError::Unreadable(Box::new(report))),
    }
}

fn tree(text: &str) -> Result<Node<'_>, GrowError> {
    source::read(text).map_err(|_| GrowError::Unreadable(Box::new(diagnose(text, "plan"))))
}

fn errors(report: &Report) -> BTreeSet<(&'static str, String)> {
    let all = report.diagnostics.iter();
    all.filter(|d| d.rule.severity == Severity::Error)
        .map(|d| (d.rule.code, d.message.clone()))
        .collect()
}

/// Reads the grown text and compares every host with what it was.
fn verified(before: &Before, text: String) -> Result<Grown, GrowError> {
    let mut report = diagnose(&text, "plan");
    if report.document().is_none() || !errors(&report).is_subset(&before.errors) {
        return Err(GrowError::WouldBreak(Box::new(report)));
    }
    let hosts = report
        .take_document()
        .map(|d| d.expanded.plan.spec.hosts)
        .unwrap_or_default();
    let old: BTreeMap<&NodeName, &Host> = before.hosts.iter().map(|h| (&h.name, h)).collect();
    let new: BTreeMap<&NodeName, &Host> = hosts.iter().map(|h| (&h.name, h)).collect();
    for (name, host) in &old {
        if new.get(name) != Some(host) {
            return Err(GrowError::WouldMove {
                host: (*name).clone(),
            });
        }
    }
    let added = hosts.iter().filter(|h| !old.contains_key(&h.name));
    Ok(Grown {
        hosts: added
            .map(|h| NewHost {
                name: h.name.clone(),
                addresses: h.addresses.clone(),
                ranges: h
                    .ranges
                    .iter()
                    .map(|r| (r.network.to_string(), r.prefix))
                    .collect(),
            })
            .collect(),
        kept: old.len(),
        text,
    })
}

#[cfg(test)]
mod tests;
