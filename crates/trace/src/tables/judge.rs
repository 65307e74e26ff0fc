//! Whether the entry that an address takes is the one that it should take.

use std::net::IpAddr;

use serde::Serialize;

use super::{Desired, Entry, Origin, Table, hops};

/// What a table does with one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The entry that is taken; none: the packet is dropped.
    pub takes: Option<Entry>,
    /// The entry that should be; none: the plan leads nothing there by this table.
    pub wanted: Option<Desired>,
    /// What is wrong; none: the address goes where it should.
    pub fault: Option<Fault>,
}

/// How a table leads an address astray.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// The wanted entry is not there, and nothing takes its place.
    Missing,
    /// The wanted entry is being made or deleted right now.
    InTransition,
    /// The wanted entry is not there, and a wider one leads elsewhere.
    Wider,
    /// The wanted entry leads elsewhere, and is ours.
    WrongNextHop,
    /// Somebody else's entry for the same destination leads elsewhere.
    Diverts,
    /// Somebody else's more specific entry leads elsewhere.
    Shadows,
    /// An entry of ours that is not wanted leads elsewhere: it is more specific.
    Stale,
}

impl Fault {
    /// Whether vpc-route repairs it; if not, somebody must, because the entry is not ours.
    pub fn is_ours_to_repair(&self) -> bool {
        match self {
            Self::Missing | Self::InTransition | Self::Wider | Self::WrongNextHop | Self::Stale => {
                true
            }
            Self::Diverts | Self::Shadows => false,
        }
    }
}

/// What a table does with `address`.
pub fn judge(table: &Table, address: IpAddr) -> Judgement {
    let takes = table.lookup(address);
    let wanted = table.wanted(address);
    let fault = wanted.and_then(|wanted| find_fault(table, takes, wanted));
    Judgement {
        takes: takes.cloned(),
        wanted: wanted.cloned(),
        fault,
    }
}

fn find_fault(table: &Table, takes: Option<&Entry>, wanted: &Desired) -> Option<Fault> {
    let in_transition = || {
        let mut same = table.entries.iter();
        same.any(|e| e.destination == wanted.destination && !e.is_in_force())
    };
    let Some(takes) = takes else {
        return Some(if in_transition() {
            Fault::InTransition
        } else {
            Fault::Missing
        });
    };
    if same_hops(takes, wanted) {
        return None;
    }
    let ours = takes.owner.is_some();
    let (is, should) = (takes.destination.prefix(), wanted.destination.prefix());
    Some(match is.cmp(&should) {
        std::cmp::Ordering::Less if in_transition() => Fault::InTransition,
        std::cmp::Ordering::Less => Fault::Wider,
        std::cmp::Ordering::Equal if ours => Fault::WrongNextHop,
        std::cmp::Ordering::Equal => Fault::Diverts,
        std::cmp::Ordering::Greater if ours => Fault::Stale,
        std::cmp::Ordering::Greater => Fault::Shadows,
    })
}

/// Whether both lead to the same places, in whatever order and with whatever weights.
fn same_hops(entry: &Entry, wanted: &Desired) -> bool {
    let set = |hops: &[super::NextHop]| {
        let mut ids: Vec<(String, String)> = hops
            .iter()
            .map(|h| (h.kind.clone(), h.id.clone()))
            .collect();
        ids.sort();
        ids
    };
    set(&entry.next_hops) == set(&wanted.next_hops)
}

impl Judgement {
    /// Where the address should go, for people.
    pub fn expected(&self) -> String {
        match &self.wanted {
            Some(w) => format!("{} via {}", w.destination, hops(&w.next_hops)),
            None => "nothing: the plan leads nothing there by this table".to_owned(),
        }
    }

    /// Where it goes, for people.
    pub fn found(&self) -> String {
        match &self.takes {
            None => "no entry".to_owned(),
            Some(e) => {
                let named = match (e.kind, e.name.as_str()) {
                    (Origin::Custom, name) if !name.is_empty() => format!(", named `{name}`"),
                    _ => String::new(),
                };
                let (at, whose) = (e.destination, e.whose());
                format!("{at} via {}, {whose}{named}", hops(&e.next_hops))
            }
        }
    }

    /// What is wrong, in a sentence; none: nothing is.
    pub fn why(&self) -> Option<String> {
        let wanted = self.wanted.as_ref().map(|w| w.destination);
        let wanted = wanted.map_or(String::new(), |w| w.to_string());
        let takes = self.takes.as_ref().map(|t| t.destination);
        let takes = takes.map_or(String::new(), |t| t.to_string());
        Some(match self.fault.as_ref()? {
            Fault::Missing => {
                format!("the entry {wanted} is missing, and nothing else leads there")
            }
            Fault::InTransition => {
                format!("the entry {wanted} is being made or deleted right now: look again")
            }
            Fault::Wider => {
                format!("the entry {wanted} is missing, and {takes} leads elsewhere instead")
            }
            Fault::WrongNextHop => format!("the entry {wanted} leads to the wrong next hop"),
            Fault::Diverts => {
                format!(
                    "somebody else's entry {takes} stands where ours should, and leads elsewhere"
                )
            }
            Fault::Shadows => format!(
                "somebody else's entry {takes} is more specific than {wanted}, and leads elsewhere"
            ),
            Fault::Stale => {
                format!("an old entry of ours, {takes}, is more specific than {wanted}")
            }
        })
    }
}
