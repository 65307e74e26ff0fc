//! Every fact that is taken away or altered is the first fault that is named.

use std::net::IpAddr;

use flatnet_types::api::trace::{
    Container, End, Inside, MetFlow, Neighbour, NodeFacts, Path, Pending, Port,
};
use ipnetwork::IpNetwork;

use super::healthy::{entry, hop, observed, plan};
use super::packets;
use crate::hop::{Check, Hop, Repair, Verdict};
use crate::observed::{Fact, Observed};
use crate::tables::{Origin, Status, Table, Tables};
use crate::walk;

/// One thing that can be wrong: its name, and what it does where it can happen at all.
type Mutation = (&'static str, fn(&mut Observed, &Hop, IpAddr) -> bool);

fn pending(kind: &str) -> Pending {
    Pending {
        what: kind.to_owned(),
        kind: kind.to_owned(),
        port: None,
        prefix: None,
        generation: None,
        adds: 0,
    }
}

/// The facts of the node that a hop is at.
fn at_node(o: &mut Observed, hop: &Hop, f: impl FnOnce(&mut NodeFacts) -> bool) -> bool {
    let name = hop.at.split_whitespace().nth(1).unwrap_or_default();
    match o.nodes.get_mut(name) {
        Some(Fact::Known(node)) => f(&mut node.facts),
        _ => false,
    }
}

/// The container that a hop is at, or whose port it is.
fn at_container(o: &mut Observed, hop: &Hop, f: impl Fn(&mut Container) -> bool) -> bool {
    let mut done = false;
    for fact in o.nodes.values_mut() {
        let Fact::Known(node) = fact else { continue };
        for end in [&mut node.facts.source, &mut node.facts.destination] {
            if let Some(End::Container(c)) = end {
                let own = hop.at.ends_with(&c.id) || hop.at.ends_with(&format!(" {}", c.port.name));
                done |= own && f(c);
            }
        }
    }
    done
}

/// The port that a hop is at.
fn at_port(o: &mut Observed, hop: &Hop, f: fn(&mut Port) -> bool) -> bool {
    let name = hop
        .at
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned();
    let own = at_node(o, hop, |facts| {
        let ports = [&mut facts.uplink, &mut facts.host];
        let mut ports = ports.into_iter().filter(|p| p.name == name);
        ports.next().is_some_and(f)
    });
    own || at_container(o, hop, |c| f(&mut c.port))
}

fn at_table(o: &mut Observed, hop: &Hop, f: impl FnOnce(&mut Table) -> bool) -> bool {
    let Fact::Known(Tables { tables, .. }) = &mut o.tables else {
        return false;
    };
    let name = match hop.check {
        Check::Line => "edge router edge in idc",
        _ => hop.at.as_str(),
    };
    let mut all = tables.iter_mut();
    all.find(|t| t.title == name).is_some_and(f)
}

fn seen(c: &mut Container, f: impl FnOnce(&mut Inside)) -> bool {
    f(&mut c.inside);
    true
}

/// What can be wrong at a hop of that kind.
fn mutations(check: Check) -> &'static [Mutation] {
    match check {
        Check::Attachment => &[("nobody has the address", |o, hop, dst| {
            at_node(o, hop, |n| {
                let ends = [(&mut n.source, false), (&mut n.destination, true)];
                let _ = dst;
                for (end, _) in ends {
                    *end = None;
                }
                true
            })
        })],
        Check::Container => &[
            ("down", |o, hop, _| {
                at_container(o, hop, |c| {
                    seen(c, |i| {
                        if let Inside::Observed { up, .. } = i {
                            *up = false;
                        }
                    })
                })
            }),
            ("address gone", |o, hop, _| {
                at_container(o, hop, |c| {
                    seen(c, |i| {
                        if let Inside::Observed { addresses, .. } = i {
                            addresses.clear();
                        }
                    })
                })
            }),
            ("MTU", |o, hop, _| {
                at_container(o, hop, |c| {
                    seen(c, |i| {
                        if let Inside::Observed { mtu, .. } = i {
                            *mtu = 9000;
                        }
                    })
                })
            }),
            ("no interface", |o, hop, _| {
                at_container(o, hop, |c| seen(c, |i| *i = Inside::Absent))
            }),
        ],
        Check::Port => &[
            ("no link", |o, hop, _| {
                at_port(o, hop, |p| p.link.take().is_some())
            }),
            ("no port", |o, hop, _| {
                at_port(o, hop, |p| p.port.take().is_some())
            }),
            ("down", |o, hop, _| {
                at_port(o, hop, |p| p.link.as_mut().map(|l| l.up = false).is_some())
            }),
            ("MTU", |o, hop, _| {
                at_port(o, hop, |p| p.link.as_mut().map(|l| l.mtu = 1400).is_some())
            }),
            ("no number", |o, hop, _| {
                at_port(o, hop, |p| {
                    p.port.as_mut().map(|r| r.ofport = None).is_some()
                })
            }),
            ("another number", |o, hop, _| {
                at_port(o, hop, |p| {
                    p.port.as_mut().map(|r| r.ofport = Some(9)).is_some()
                })
            }),
            ("a wrong tag, which netd would set", |o, hop, _| {
                let name = hop.at.split_whitespace().last().map(str::to_owned);
                at_node(o, hop, |n| {
                    n.pending.push(Pending {
                        port: name,
                        ..pending("set_port")
                    });
                    true
                })
            }),
        ],
        Check::Flows => &[
            ("a foreign flow", |o, hop, _| {
                at_node(o, hop, |n| {
                    n.pending.push(pending("delete_foreign_flows"));
                    true
                })
            }),
            ("a controller", |o, hop, _| {
                at_node(o, hop, |n| {
                    n.pending.push(pending("set_bridge"));
                    true
                })
            }),
            ("dropped", |o, hop, _| {
                at_node(o, hop, |n| {
                    n.traces.iter_mut().for_each(|t| t.outputs.clear());
                    true
                })
            }),
            ("another VLAN", |o, hop, _| {
                at_node(o, hop, |n| {
                    for out in n.traces.iter_mut().flat_map(|t| &mut t.outputs) {
                        out.vlan = Some(999);
                    }
                    true
                })
            }),
            ("another port", |o, hop, _| {
                at_node(o, hop, |n| {
                    for out in n.traces.iter_mut().flat_map(|t| &mut t.outputs) {
                        out.port = "fn9".to_owned();
                    }
                    true
                })
            }),
            ("flows gone", |o, hop, _| {
                at_node(o, hop, |n| {
                    n.pending.push(Pending {
                        adds: 3,
                        ..pending("change_flows")
                    });
                    true
                })
            }),
            ("somebody else's flow", |o, hop, _| {
                at_node(o, hop, |n| {
                    for trace in &mut n.traces {
                        trace.outputs.clear();
                        trace.flows.push(MetFlow {
                            table: 5,
                            flow: "priority 200".to_owned(),
                            cookie: Some(0x77),
                        });
                    }
                    true
                })
            }),
            ("the switch does not answer", |o, hop, _| {
                at_node(o, hop, |n| {
                    for trace in &mut n.traces {
                        trace.error = Some("ovs-vswitchd does not run".to_owned());
                    }
                    true
                })
            }),
        ],
        Check::Route => &[
            ("no route", |o, hop, _| {
                at_node(o, hop, |n| {
                    for lookup in &mut n.lookups {
                        lookup.path = Path::Dropped {
                            because: "network is unreachable".to_owned(),
                        };
                    }
                    true
                })
            }),
            ("our route gone, which netd would add", |o, hop, dst| {
                at_node(o, hop, |n| {
                    for lookup in &mut n.lookups {
                        lookup.path = elsewhere(dst);
                    }
                    n.pending.push(Pending {
                        prefix: Some(IpNetwork::from(dst)),
                        ..pending("add_route")
                    });
                    true
                })
            }),
            ("another next hop", |o, hop, dst| {
                at_node(o, hop, |n| {
                    for lookup in &mut n.lookups {
                        lookup.path = elsewhere(dst);
                    }
                    true
                })
            }),
        ],
        Check::Forwarding => &[
            ("off", |o, hop, _| {
                at_node(o, hop, |n| n.forwards.replace(false).is_some())
            }),
            ("unknown", |o, hop, _| {
                at_node(o, hop, |n| n.forwards.take().is_some())
            }),
            ("a sysctl", |o, hop, _| {
                at_node(o, hop, |n| {
                    n.pending.push(pending("set_sysctl"));
                    true
                })
            }),
        ],
        Check::Uplink => &[
            ("no NIC", |o, hop, _| {
                at_port(o, hop, |p| p.link.take().is_some())
            }),
            ("no carrier", |o, hop, _| {
                at_port(o, hop, |p| {
                    p.link.as_mut().map(|l| l.carrier = Some(false)).is_some()
                })
            }),
            ("not trunking the VLAN", |o, hop, _| {
                at_port(o, hop, |p| {
                    p.port.as_mut().map(|r| r.trunks = vec![4000]).is_some()
                })
            }),
            ("not in the bridge", |o, hop, _| {
                at_port(o, hop, |p| p.port.take().is_some())
            }),
            ("down, which netd would set up", |o, hop, _| {
                at_node(o, hop, |n| {
                    n.pending.push(Pending {
                        port: Some(n.uplink.name.clone()),
                        ..pending("set_link")
                    });
                    true
                })
            }),
        ],
        Check::Segment => &[("nobody answers", |o, hop, _| {
            let mut done = false;
            if !hop.at.starts_with("VLAN") || hop.verdict != Verdict::Ok {
                return false;
            }
            for fact in o.nodes.values_mut() {
                let Fact::Known(node) = fact else { continue };
                if let Some(End::Container(c)) = &mut node.facts.source
                    && let Inside::Observed { neighbours, .. } = &mut c.inside
                {
                    fail(neighbours);
                    done = true;
                }
            }
            done
        })],
        Check::EdgeRouter | Check::Vbr | Check::VpcTable => TABLE,
        Check::Line => &[("the line's interface is down", |o, hop, dst| {
            at_table(o, hop, |t| {
                let before = t.entries.len();
                let transfer = |p: IpNetwork| p.to_string().contains("255");
                t.entries.retain(|e| {
                    let led = e.owner.is_some();
                    e.destination.is_ipv4() != dst.is_ipv4() || !(led || transfer(e.destination))
                });
                t.entries.len() < before
            })
        })],
        Check::Plan | Check::Netd => &[],
    }
}

const TABLE: &[Mutation] = &[
    ("entry gone", |o, hop, dst| {
        at_table(o, hop, |t| {
            let before = t.entries.len();
            t.entries
                .retain(|e| e.owner.is_none() || !e.destination.contains(dst));
            t.entries.len() < before
        })
    }),
    ("entry in transition", |o, hop, dst| {
        at_table(o, hop, |t| {
            let mut ours = t.entries.iter_mut();
            let ours = ours.find(|e| e.owner.is_some() && e.destination.contains(dst));
            ours.map(|e| e.status = Status::Pending).is_some()
        })
    }),
    ("wrong next hop", |o, at, dst| {
        at_table(o, at, |t| {
            let mut ours = t.entries.iter_mut();
            let ours = ours.find(|e| e.owner.is_some() && e.destination.contains(dst));
            ours.map(|e| e.next_hops = vec![hop("Instance", "i-9")])
                .is_some()
        })
    }),
    ("somebody else's more specific entry", |o, at, dst| {
        at_table(o, at, |t| {
            let mut foreign = entry(dst.into(), vec![hop("Instance", "i-9")], Origin::Custom);
            foreign.owner = None;
            t.entries.push(foreign);
            true
        })
    }),
    ("the table cannot be listed", |o, hop, _| {
        at_table(o, hop, |t| {
            t.error.replace("no credentials".to_owned()).is_none()
        })
    }),
];

fn fail(neighbours: &mut [Neighbour]) {
    for n in neighbours {
        n.mac = None;
        n.failed = true;
    }
}

fn elsewhere(dst: IpAddr) -> Path {
    let via = if dst.is_ipv4() {
        "192.0.2.9"
    } else {
        "2001:db8::9"
    };
    Path::Out {
        dev: "eth9".to_owned(),
        via: via.parse().ok(),
        route: None,
        protocol: 3,
        neighbour: None,
    }
}

#[test]
fn every_single_thing_that_is_wrong_is_named_first_and_has_a_repair() {
    let plan = plan();
    let mut tried = std::collections::BTreeMap::<Check, usize>::new();
    for packet in packets() {
        let healthy = walk(&plan, packet, &observed(&plan, packet));
        for hop in &healthy.hops {
            for (name, mutate) in mutations(hop.check) {
                let mut broken = observed(&plan, packet);
                if !mutate(&mut broken, hop, packet.dst) {
                    continue;
                }
                let walked = walk(&plan, packet, &broken);
                let said = format!("{packet}: {} {:?}: {name}\n{walked:#?}", hop.at, hop.check);
                let fault = walked.first_fault();
                let Some(fault) = fault else {
                    // A VPC's node has no trunk that could lack a VLAN.
                    assert!(harmless(hop, name), "{said}");
                    continue;
                };
                let first_of_kind = healthy.hops.iter().find(|h| h.check == hop.check);
                let same_place = fault.at == hop.at
                    || first_of_kind.is_some_and(|f| f.at == fault.at && f.check == fault.check);
                assert!(fault.check == hop.check && same_place, "{said}");
                assert!(fault.why.is_some(), "{said}");
                let repaired = fault.repair.is_some() || fault.verdict == Verdict::Unknown;
                assert!(repaired, "{said}");
                *tried.entry(hop.check).or_default() += 1;
            }
        }
    }
    let kinds = tried.keys().copied().collect::<Vec<_>>();
    assert_eq!(
        kinds,
        [
            Check::Attachment,
            Check::Container,
            Check::Port,
            Check::Flows,
            Check::Route,
            Check::Forwarding,
            Check::Uplink,
            Check::Segment,
            Check::EdgeRouter,
            Check::Line,
            Check::Vbr,
            Check::VpcTable,
        ]
    );
    assert!(tried.values().sum::<usize>() > 700, "{tried:?}");
}

/// What does no harm at such a hop.
fn harmless(hop: &Hop, name: &str) -> bool {
    match hop.check {
        Check::Uplink => name == "not trunking the VLAN" || name == "not in the bridge",
        _ => false,
    }
}

#[test]
fn what_cannot_be_looked_at_is_unknown_and_never_wrong() {
    let plan = plan();
    let ask = Repair::on("idc1", "systemctl restart netd");
    for packet in packets() {
        let mut blind = observed(&plan, packet);
        for fact in blind.nodes.values_mut() {
            *fact = Fact::Unknown {
                because: "no socket".to_owned(),
                ask: ask.clone(),
            };
        }
        blind.tables = Fact::Unknown {
            because: "no socket".to_owned(),
            ask: ask.clone(),
        };
        let walked = walk(&plan, packet, &blind);
        assert_eq!(walked.verdict(), Verdict::Unknown, "{packet}");
        let fault = walked.first_fault().expect("it");
        assert_eq!(fault.repair.as_ref(), Some(&ask), "{packet}");
    }
}
