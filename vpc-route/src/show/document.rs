//! The same as a message, for programs: `-o json`, and what the socket serves at `/v1/tables`.

use std::path::Path;

use flatnet_plan::routes::TableKind;
use flatnet_types::tables::{self as wire, Failed, Kind, Refusal, Table, Tables, VERSION};
use ipnetwork::IpNetwork;

use crate::apply::Report;
use crate::controller::{Observed, Outcome};
use crate::diff::{self, Op, Plan};
use crate::model::{
    ClusterName, DesiredEntry, Entry, EntryKind, NextHops, NotUnderstood, Owner, Prefix, Status,
    Timestamp,
};
use flatnet_daemon::causes::chain;

/// The cluster whose tables a document describes, and when they were listed.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// Whose entries are ours.
    pub cluster: &'a ClusterName,
    /// The configuration, for commands that repair.
    pub config: &'a Path,
    /// Who keeps the tables right now; none: nobody does.
    pub leader: Option<String>,
    /// When they were listed.
    pub at: Timestamp,
}

/// The document of a round's outcomes.
pub fn document(head: &Head<'_>, outcomes: &[Outcome]) -> Tables {
    Tables {
        version: VERSION,
        cluster: head.cluster.to_string(),
        config: head.config.display().to_string(),
        leader: head.leader.clone(),
        at: head.at.0,
        plan: None,
        tables: outcomes.iter().map(|o| table(o, head.cluster)).collect(),
    }
}

fn table(outcome: &Outcome, cluster: &ClusterName) -> Table {
    let mut table = Table {
        title: outcome.title.clone(),
        ..Table::default()
    };
    match &outcome.result {
        Ok((plan, done)) => {
            table.plan = Some(changes(plan));
            table.events = events(plan);
            table.report = done.as_ref().map(report);
        }
        Err(error) => table.error = Some(chain(error)),
    }
    if let Some(observed) = &outcome.observed {
        fill(&mut table, observed, cluster);
    }
    table
}

/// A table as it should be and as it is, with each entry's owner.
fn fill(table: &mut Table, observed: &Observed, cluster: &ClusterName) {
    let target = &observed.target;
    table.kind = kind(target.kind);
    table.site.clone_from(&target.site);
    table.name.clone_from(&target.name);
    table.table = target.desired.table.to_string();
    table.quota = target.quota;
    table.desired = target.desired.entries.iter().map(desired).collect();
    let entries = observed.listed.entries.iter();
    table.entries = entries.map(|e| entry(e, cluster)).collect();
    table.not_understood = not_understood(&observed.listed.not_understood);
}

/// `None` for a node's own table, which vpc-route does not keep.
fn kind(kind: TableKind) -> Option<Kind> {
    match kind {
        TableKind::VpcRouteTable => Some(Kind::VpcRouteTable),
        TableKind::Vbr => Some(Kind::Vbr),
        TableKind::EdgeRouter => Some(Kind::EdgeRouter),
        TableKind::Node => None,
    }
}

/// What a person has to know of a table, a sentence each.
fn events(plan: &Plan) -> Vec<String> {
    let conflicts = plan.conflicts.iter().map(|c| format!("conflict: {c}"));
    let orphans = plan.orphans.iter().map(|o| {
        let (at, hops, name) = (o.destination, &o.next_hops, &o.name);
        format!("orphan: nothing asks for {at} via {hops}, named `{name}`")
    });
    let unsettled = plan.unsettled.iter();
    let unsettled = unsettled.map(|p| format!("waits: {p} is in transition"));
    let refused = plan.refused.iter().map(|r| format!("refused: {r}"));
    let strange = plan.not_understood.iter();
    let strange = strange.map(|n| format!("not understood: {n}"));
    conflicts
        .chain(orphans)
        .chain(unsettled)
        .chain(refused)
        .chain(strange)
        .collect()
}

fn report(report: &Report) -> wire::Report {
    let failed = report.failed.iter().map(|f| Failed {
        op: op(&f.op),
        reason: f.reason.to_string(),
    });
    wire::Report {
        done: report.done,
        writes: report.writes,
        lists: report.lists,
        failed: failed.collect(),
    }
}

fn changes(plan: &Plan) -> wire::Changes {
    wire::Changes {
        table: plan.table.to_string(),
        ops: plan.ops.iter().map(op).collect(),
        conflicts: plan.conflicts.iter().map(conflict).collect(),
        orphans: plan.orphans.iter().map(orphan).collect(),
        refused: plan.refused.iter().map(refusal).collect(),
        unsettled: plan
            .unsettled
            .iter()
            .copied()
            .map(IpNetwork::from)
            .collect(),
        unmanaged: plan.unmanaged,
        not_understood: not_understood(&plan.not_understood),
    }
}

fn op(op: &Op) -> wire::Op {
    match op {
        Op::Create {
            destination,
            next_hops,
            name,
            why,
        } => wire::Op::Create {
            destination: (*destination).into(),
            next_hops: hops(next_hops),
            name: name.clone(),
            why: why.as_str().to_owned(),
        },
        Op::Modify {
            destination,
            from,
            to,
            name,
            id,
        } => wire::Op::Modify {
            destination: (*destination).into(),
            from: hops(from),
            to: hops(to),
            name: name.clone(),
            id: id.clone(),
        },
        Op::Delete {
            destination,
            next_hops,
            id,
            why,
        } => wire::Op::Delete {
            destination: (*destination).into(),
            next_hops: hops(next_hops),
            id: id.clone(),
            why: why.as_str().to_owned(),
        },
    }
}

fn conflict(conflict: &diff::Conflict) -> wire::Conflict {
    let unmanaged = &conflict.unmanaged;
    wire::Conflict {
        destination: conflict.destination.into(),
        next_hops: hops(&conflict.next_hops),
        label: conflict.label.clone(),
        unmanaged: wire::Unmanaged {
            destination: unmanaged.destination.into(),
            next_hops: hops(&unmanaged.next_hops),
            name: unmanaged.name.clone(),
            id: unmanaged.id.clone(),
        },
        kind: conflict.kind.as_str().to_owned(),
    }
}

fn orphan(orphan: &diff::Orphan) -> wire::Orphan {
    wire::Orphan {
        destination: orphan.destination.into(),
        next_hops: hops(&orphan.next_hops),
        name: orphan.name.clone(),
        since: orphan.since.0,
        due: orphan.due.0,
    }
}

/// The reason is the variant's name in JSON, and the facts are its fields.
fn refusal(refusal: &diff::Refusal) -> Refusal {
    let mut facts = match serde_json::to_value(refusal) {
        Ok(serde_json::Value::Object(facts)) => facts,
        // A struct of numbers and names always is an object.
        _ => serde_json::Map::new(),
    };
    let reason = facts.remove("reason");
    let reason = reason.as_ref().and_then(|r| r.as_str());
    Refusal {
        reason: reason.unwrap_or_default().to_owned(),
        facts,
    }
}

fn desired(entry: &DesiredEntry) -> wire::Desired {
    wire::Desired {
        destination: entry.destination.into(),
        next_hops: hops(&entry.next_hops),
        label: entry.label.clone(),
    }
}

fn entry(entry: &Entry, cluster: &ClusterName) -> wire::Entry {
    wire::Entry {
        destination: entry.destination.into(),
        next_hops: hops(&entry.next_hops),
        name: entry.name.clone(),
        id: entry.id.clone(),
        status: match entry.status {
            Status::Available => wire::Status::Available,
            Status::Pending => wire::Status::Pending,
            Status::Modifying => wire::Status::Modifying,
            Status::Deleting => wire::Status::Deleting,
        },
        kind: match entry.kind {
            EntryKind::Custom => wire::Origin::Custom,
            EntryKind::System => wire::Origin::System,
            EntryKind::Learned => wire::Origin::Learned,
        },
        owner: entry.owner_in(cluster).map(owner),
    }
}

fn owner(owner: Owner) -> wire::Owner {
    wire::Owner {
        cluster: owner.cluster.to_string(),
        generation: owner.generation.0,
        label: owner.label,
    }
}

fn not_understood(found: &[NotUnderstood]) -> Vec<wire::NotUnderstood> {
    let found = found.iter().map(|n| wire::NotUnderstood {
        entry: n.entry.clone(),
        destination: n.destination.map(Prefix::into),
        counts: n.counts,
        why: n.why.clone(),
    });
    found.collect()
}

fn hops(hops: &NextHops) -> Vec<wire::NextHop> {
    let hops = hops.iter().map(|hop| wire::NextHop {
        kind: hop.kind.as_str().to_owned(),
        id: hop.id.clone(),
        weight: hop.weight,
    });
    hops.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Conflict, ConflictKind, CreateReason, DeleteReason, Orphan, Unmanaged};
    use crate::model::{Generation, NextHopKind, TableId};

    fn at(prefix: &str) -> Prefix {
        prefix.parse().unwrap()
    }

    fn to(id: &str) -> NextHops {
        NextHops::one(NextHopKind::Instance, id)
    }

    fn plan() -> Plan {
        let create = |why| Op::Create {
            destination: at("10.0.0.0/26"),
            next_hops: to("i-1"),
            name: "flatnet:lab:7:n1".into(),
            why,
        };
        let delete = |why, id| Op::Delete {
            destination: at("10.0.0.64/26"),
            next_hops: to("i-2"),
            id,
            why,
        };
        let modify = Op::Modify {
            destination: at("2001:db8::/64"),
            from: to("i-1"),
            to: to("i-2"),
            name: "flatnet:lab:7:n2".into(),
            id: Some("rte-1".into()),
        };
        let ops = vec![
            create(CreateReason::New),
            create(CreateReason::MoreSpecific),
            create(CreateReason::Anew),
            modify,
            delete(DeleteReason::Replaced, None),
            delete(DeleteReason::Orphan, Some("rte-2".into())),
            delete(DeleteReason::MoreSpecific, None),
            delete(DeleteReason::Anew, None),
        ];
        let conflict = |kind, id| Conflict {
            destination: at("10.0.1.0/26"),
            next_hops: to("i-3"),
            label: "n3".into(),
            unmanaged: Unmanaged {
                destination: at("10.0.1.0/26"),
                next_hops: to("i-4"),
                name: "by hand".into(),
                id,
            },
            kind,
        };
        let refused = vec![
            diff::Refusal::OverQuota {
                quota: 200,
                desired: 201,
                unmanaged: 3,
                orphans: 1,
            },
            diff::Refusal::Superseded {
                destination: at("10.0.0.0/26"),
                found: Generation(8),
                own: Generation(7),
            },
        ];
        let strange = NotUnderstood {
            entry: "pl-1 rte-3".into(),
            destination: None,
            counts: true,
            why: "a prefix list".into(),
        };
        Plan {
            table: TableId("vtb-1".into()),
            ops,
            conflicts: vec![
                conflict(ConflictKind::Diverts, None),
                conflict(ConflictKind::Agrees, Some("rte-4".into())),
                conflict(ConflictKind::Shadows, None),
            ],
            orphans: vec![Orphan {
                destination: at("10.0.2.0/26"),
                next_hops: to("i-5"),
                name: "flatnet:lab:6:n5".into(),
                since: Timestamp(10),
                due: Timestamp(20),
            }],
            refused,
            unsettled: vec![at("10.0.3.0/26")],
            unmanaged: 3,
            not_understood: vec![strange],
        }
    }

    #[test]
    fn the_message_has_all_that_a_plan_has_under_the_same_names() {
        let plan = plan();
        let message = serde_json::to_value(changes(&plan)).unwrap();
        assert_eq!(message, serde_json::to_value(&plan).unwrap());
        let read: wire::Changes = serde_json::from_value(message).unwrap();
        assert_eq!(read, changes(&plan));
    }
}
