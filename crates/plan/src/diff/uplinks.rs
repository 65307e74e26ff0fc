//! Changes of a host's uplink: its NICs and cables, what they carry and how large.

use super::kinds::{NOTED, TAKEN};
use super::notice::{Done, Kind, Until};
use super::owners::Both;
use super::trunks::{self, LESS, MORE, difference};
use super::{Found, Phase, is_another};
use crate::model::{Host, NetworkPlan, Nic};
use crate::takeover::Field;

const REWIRED: Kind = Kind::new(Phase::Give, Done::Linked)
    .of(Field::Identity)
    .outage(
        Until::Done,
        "for the host is cut off while its uplink is made anew",
    )
    .mind("drain it, or have a console");
const RECABLED: Kind = Kind::new(Phase::Give, Done::Linked)
    .brief("while the bond goes over to the cable that is left")
    .mind("one cable at a time: the bond carries on");
const UNCABLED: Kind = Kind::new(Phase::Give, Done::Linked)
    .outage(Until::Done, "for its only cable is moved")
    .mind("drain it first");
const OCCUPIED: &str = "another host's cable is in that port until then";
const RETAGGED: Kind = Kind::new(Phase::Give, Done::Answers)
    .of(Field::Identity)
    .outage(
        Until::Done,
        "for host and switch change together, and the host is cut off in between",
    )
    .mind("drain it first");
const RESIZED: Kind = Kind::new(Phase::Give, Done::Sized)
    .at_most_brief("while the host and the switch differ, for packets larger than the smaller MTU")
    .mind("larger at the switches first");

pub(super) fn compare(a: &Host, b: &Host, owners: &Both<'_>, found: &mut Found) {
    let name = b.name.as_str();
    let (old, new) = (&a.uplink, &b.uplink);
    if (&old.interface, old.bond, old.mac) != (&new.interface, new.bond, new.mac) {
        let of = |h: &Host| {
            let bond = h.uplink.bond.map(|mode| format!(" {}", mode.as_str()));
            let mac = h.uplink.mac.filter(|_| old.mac != new.mac);
            let mac = mac.map(|mac| format!(" {mac}"));
            let parts = [bond, mac].into_iter().flatten();
            parts.fold(h.uplink.interface.to_string(), |all, part| all + &part)
        };
        let detail = format!("{} → {}", of(a), of(b));
        // The same NIC with another bond or MAC stays the node's uplink.
        let kind = match (old.interface == new.interface, old.mac == new.mac) {
            (false, _) => REWIRED,
            (true, false) => REWIRED.of(Field::UplinkMac),
            (true, true) => REWIRED.netd_takes_nothing(),
        };
        found.of_host(kind, "change the uplink", name, &detail);
    } else if old.cables() != new.cables() {
        cables(a, b, owners, found);
    }
    if old.trunk != new.trunk {
        let (plan, new_plan) = (owners.before.plan, owners.after.plan);
        let (more, less) = difference(
            Some(&trunks::of_uplink(plan, a)),
            Some(&trunks::of_uplink(new_plan, b)),
        );
        if more.is_none() && less.is_none() {
            found.of_host(
                NOTED,
                "uplink's trunk, which stays what it is",
                name,
                "noted",
            );
        }
        if let Some(ids) = more {
            found.of_host(MORE, "add VLANs to the uplink's trunk", name, &ids);
        }
        if let Some(ids) = less {
            found.of_host(LESS, "take VLANs off the uplink's trunk", name, &ids);
        }
    }
    if old.untagged != new.untagged {
        let what = "change the tag of the host's frames";
        let of = |untagged| if untagged { "untagged" } else { "tagged" };
        let detail = format!("{} → {}", of(old.untagged), of(new.untagged));
        found.of_host(RETAGGED, what, name, &detail);
    }
    if old.migrate != new.migrate {
        // Who moves it notices nothing of the field alone.
        let kind = TAKEN.of(Field::Migrate).unnoticed();
        let detail = format!("{} → {}", old.migrate.as_str(), new.migrate.as_str());
        found.of_host(kind, "change who moves the uplink", name, &detail);
    }
    let mtu = |h: &Host, plan: &NetworkPlan| h.uplink.mtu.unwrap_or(plan.spec.mtu);
    let mtus = (mtu(a, owners.before.plan), mtu(b, owners.after.plan));
    if old.mtu != new.mtu && mtus.0 == mtus.1 {
        found.of_host(NOTED, "uplink's MTU, which stays what it is", name, "noted");
    } else if old.mtu != new.mtu {
        let detail = format!("{} → {}", mtus.0, mtus.1);
        found.of_host(RESIZED, "change the uplink's MTU", name, &detail);
    }
}

fn cables(a: &Host, b: &Host, owners: &Both<'_>, found: &mut Found) {
    let name = b.name.as_str();
    if !moved(a, b) {
        found.of_host(NOTED, "where a cable ends", name, "noted");
        return;
    }
    let cables = |h: &Host| -> String {
        let all: Vec<String> = h
            .uplink
            .cables()
            .iter()
            .map(|c| {
                let part = |p: &Option<String>| p.clone().unwrap_or_else(|| "-".to_owned());
                format!("{}={}:{}", c.interface, part(&c.switch), part(&c.port))
            })
            .collect();
        all.join(" ")
    };
    let bonded = b.uplink.nics.len() > 1 && a.uplink.nics.len() > 1;
    let kind = if bonded { RECABLED } else { UNCABLED };
    let kind = match owners.before.cabled(b) {
        true => Kind {
            phase: Phase::HandOn,
            ..kind.mind(OCCUPIED)
        },
        false => kind,
    };
    let detail = format!("{} → {}", cables(a), cables(b));
    found.of_host(kind, "move cables", name, &detail);
}

/// Whether a cable comes, goes, or ends elsewhere. Where one ends may be said for the first time,
/// and NICs in another order.
fn moved(a: &Host, b: &Host) -> bool {
    let (was, is) = (a.uplink.cables(), b.uplink.cables());
    let same = |nic: &Nic| {
        let mut old = was.iter().filter(|o| o.interface == nic.interface);
        old.any(|o| !is_another(&o.switch, &nic.switch) && !is_another(&o.port, &nic.port))
    };
    was.len() != is.len() || !is.iter().all(same)
}
