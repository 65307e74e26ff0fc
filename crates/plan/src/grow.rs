//! A document that grows: hosts are added to a group, or a VLAN to a site, as the least
//! edits of the text.
//!
//! ```text
//!   text ─▶ tree with places ─▶ edits ─▶ text' ─▶ read again ─▶ every host as it was?
//! ```
//!
//! Comments, order, quoting and line ends stay as they are: only what has to change is
//! written. The answer is not trusted but verified: read again, the document must be the old
//! one with what was asked for and nothing else, every host that was there must be there
//! with everything it had, and there must be no error. A plan that has errors does not grow.

mod text;

use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_types::{NodeName, VlanId};
use ipnetwork::IpNetwork;
use serde::Serialize;
use thiserror::Error;

use crate::diagnostics::{Report, diagnose};
use crate::model::{Host, MacMode, Network, NetworkPlan, Pool, SiteType, Subnet, Vlan, VlanRole};
use crate::source::{self, Node, Value};

use text::Edits;

/// A document that has grown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grown {
    /// The plan's YAML with the new hosts, comments and order kept.
    #[serde(skip)]
    pub text: String,
    /// The hosts that are new, in the order of the plan.
    pub hosts: Vec<NewHost>,
    /// How many hosts were there before, each of which is as it was.
    pub kept: usize,
    /// How many warnings the plan has that it had not.
    pub warnings: usize,
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
    /// The text is a plan with errors: what would come of it is anybody's guess.
    #[error("the plan has errors as it is")]
    Broken(Box<Report>),
    /// There is no such group or site.
    #[error("the plan has no {kind} {name:?}")]
    Unknown {
        /// `host group` or `data centre`.
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
    /// The list that is to have one more item is not there.
    #[error("line {line}: there is no list `{key}` here")]
    NoList {
        /// The line of what should have it, from 1.
        line: u32,
        /// The list's key.
        key: &'static str,
    },
    /// What stands there is used in other places too, by an alias.
    #[error("line {line}: {what} stands for other places too, which would change with it")]
    Shared {
        /// The line, from 1.
        line: u32,
        /// What stands there.
        what: &'static str,
    },
    /// The number is 0, or too large.
    #[error("{0} is no number of hosts to add")]
    Count(u32),
    /// The grown plan would have errors.
    #[error("the plan would have errors")]
    WouldBreak(Box<Report>),
    /// Something would move. A fault of ours: the text is left alone.
    #[error("host {host} would not stay as it is")]
    WouldMove {
        /// The name of the host.
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
    let (line, what) = (node.map_or(1, |n| n.span.line), "the group's count");
    // An aliased group stands elsewhere: the place must show the number that was read.
    let shown = node.and_then(|n| Some((n.span, edits.at(n.span)?)));
    let place = shown.and_then(|(span, shown)| {
        let before = shown.strip_suffix(&of.count.to_string())?;
        let property = before.starts_with(['&', '!']) && before.ends_with([' ', '\t']);
        (before.is_empty() || property).then(|| (span, format!("{before}{wanted}")))
    });
    let (span, number) = place.ok_or(GrowError::Form { line, what })?;
    edits.replace(span, &number);
    let mut expected = before.plan.clone();
    expected.spec.host_groups[index].count = wanted;
    verified(&before, &expected, (line, what), edits.apply())
}

/// Adds a VLAN to a site, and for containers a network with its subnets as pools.
///
/// # Errors
/// [`GrowError`]; the text is then as it was.
pub fn add_vlan(text: &str, vlan: &NewVlan) -> Result<Grown, GrowError> {
    let before = readable(text)?;
    let tree = tree(text)?;
    let sites = &before.plan.spec.sites;
    let idcs = || sites.iter().filter(|s| s.site_type == SiteType::Idc);
    let index = idcs()
        .any(|s| s.name == vlan.site)
        .then(|| sites.iter().position(|s| s.name == vlan.site));
    let index = index.flatten().ok_or_else(|| GrowError::Unknown {
        kind: "data centre",
        name: vlan.site.clone(),
        known: idcs().map(|s| s.name.clone()).collect(),
    })?;
    let mut edits = Edits::of(text);
    let spec = tree.get("spec");
    let site = spec
        .and_then(|s| s.get("sites"))
        .and_then(|s| s.items().get(index));
    let what = "the site's list of VLANs";
    let line = append(&mut edits, site, ("vlans", what), &vlan_item(vlan))?;
    let mut expected = before.plan.clone();
    expected.spec.sites[index].vlans.push(vlan.vlan());
    if vlan.role == VlanRole::Pod {
        let what = "the list of networks";
        append(&mut edits, spec, ("networks", what), &network_item(vlan))?;
        expected.spec.networks.extend(vlan.network());
    }
    verified(&before, &expected, (line, what), edits.apply())
}

/// Adds an item to the list under `key`, which is called `what`; its line.
fn append(
    edits: &mut Edits<'_>,
    of: Option<&Node<'_>>,
    (key, what): (&'static str, &'static str),
    item: &str,
) -> Result<u32, GrowError> {
    let around = of.map_or(1, |n| n.headline().line);
    let entry = of.and_then(|n| n.entry(key));
    let (name, list) = entry.ok_or(GrowError::NoList { line: around, key })?;
    let line = name.span.line;
    if !matches!(list.value, Value::Sequence(_)) {
        return Err(GrowError::NoList { line, key });
    }
    let appended = edits.append(list, item);
    appended.ok_or(GrowError::Form { line, what })?;
    Ok(line)
}

impl NewVlan {
    /// Its subnets, each with its router.
    fn routed(&self) -> impl Iterator<Item = (IpNetwork, IpAddr)> {
        self.subnets.iter().map(|(prefix, gateway)| {
            let first = || crate::prefix::first_address(*prefix);
            (*prefix, gateway.unwrap_or_else(first))
        })
    }

    /// The VLAN as the plan has it then.
    fn vlan(&self) -> Vlan {
        let subnets = self.routed();
        Vlan {
            id: self.id,
            name: self.name.clone(),
            role: self.role,
            subnets: subnets
                .map(|(prefix, gateway)| Subnet { prefix, gateway })
                .collect(),
            mtu: None,
        }
    }

    /// Its network; none where its name can be no network's, which the check says.
    fn network(&self) -> Option<Network> {
        let pools = self.subnets.iter().map(|(prefix, _)| Pool {
            prefix: *prefix,
            cluster: None,
            exclude: Vec::new(),
            reservations: Vec::new(),
            slice_length: None,
        });
        Some(Network {
            name: self.name.parse().ok()?,
            site: self.site.clone(),
            vlan: Some(self.id),
            pools: pools.collect(),
            mac: MacMode::default(),
            mtu: None,
            neighbour_rate: None,
            density: None,
            allow: Vec::new(),
            trunk: Vec::new(),
            egress: None,
        })
    }
}

fn vlan_item(vlan: &NewVlan) -> String {
    let subnets: Vec<String> = vlan
        .routed()
        .map(|(prefix, gateway)| {
            let (prefix, gateway) = (text::scalar(&prefix), text::scalar(&gateway));
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
    warnings: usize,
}

fn readable(text: &str) -> Result<Before, GrowError> {
    let mut report = diagnose(text, "plan");
    if report.is_readable() && report.errors() > 0 {
        return Err(GrowError::Broken(Box::new(report)));
    }
    match report.take_document() {
        Some(document) => Ok(Before {
            plan: document.written,
            hosts: document.expanded.plan.spec.hosts,
            warnings: report.diagnostics.len(),
        }),
        None => Err(GrowError::Unreadable(Box::new(report))),
    }
}

fn tree(text: &str) -> Result<Node<'_>, GrowError> {
    source::read(text).map_err(|_| GrowError::Unreadable(Box::new(diagnose(text, "plan"))))
}

/// Reads the grown text and compares it with what was expected of it, and every host with
/// what it was. `edited`: the line that was edited, and what stands there.
fn verified(
    before: &Before,
    expected: &NetworkPlan,
    edited: (u32, &'static str),
    text: String,
) -> Result<Grown, GrowError> {
    let mut report = diagnose(&text, "plan");
    if let Some(document) = report.document().filter(|d| d.written != *expected) {
        let (line, what) = edited;
        // More than one place has changed, or the text did not mean what it seemed to.
        return Err(match document.written == before.plan {
            true => GrowError::Form { line, what },
            false => GrowError::Shared { line, what },
        });
    }
    if report.document().is_none() || report.errors() > 0 {
        return Err(GrowError::WouldBreak(Box::new(report)));
    }
    let warnings = report.diagnostics.len().saturating_sub(before.warnings);
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
        warnings,
        text,
    })
}

#[cfg(test)]
mod tests;
