//! A host in memory: what the kernel forgets at a boot, and what the database keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flatnet_kernel::{Entry, EntryKind, LinkId};
use tokio::sync::Notify;

use crate::gate::Gate;
use crate::inventory::{BridgeFacts, Inventory, LinkFacts};
use crate::journal::Journal;
use crate::mover::Host;
use crate::plan::Target;
use crate::step::{Item, Step, StepError};

pub(super) const NIC: u32 = 2;
pub(super) const SUB: u32 = 7;
const HOST_PORT: u32 = 99;

pub(super) fn nic() -> LinkId {
    LinkId {
        name: "eth0".into(),
        ifindex: NIC,
    }
}

pub(super) fn host_port() -> LinkId {
    LinkId {
        name: "flat0".into(),
        ifindex: HOST_PORT,
    }
}

fn attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).expect("short");
    to.extend(length.to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

fn entry(kind: &str, payload: &[u8]) -> Entry {
    let hex: String = payload.iter().map(|b| format!("{b:02x}")).collect();
    format!("{kind}:{hex}").parse().expect("an entry")
}

/// A permanent address with a prefix length of 24.
pub(super) fn address(dev: u32, ip: [u8; 4]) -> Entry {
    let mut p = vec![2, 24, 0x80, 0];
    p.extend(dev.to_ne_bytes());
    attribute(&mut p, 1, &ip);
    attribute(&mut p, 2, &ip);
    entry("address", &p)
}

/// The same, which ends.
pub(super) fn leased_address(dev: u32, ip: [u8; 4]) -> Entry {
    let mut p = vec![2, 24, 0, 0];
    p.extend(dev.to_ne_bytes());
    attribute(&mut p, 1, &ip);
    attribute(&mut p, 2, &ip);
    // Seconds that it is preferred and valid, and when it was made and changed.
    let times: Vec<u8> = [60u32, 120, 0, 0]
        .iter()
        .flat_map(|t| t.to_ne_bytes())
        .collect();
    attribute(&mut p, 6, &times);
    entry("address", &p)
}

/// A default route, or one to 10.9.0.0/16.
pub(super) fn route(dev: u32, default: bool, via: [u8; 4], src: Option<[u8; 4]>) -> Entry {
    let length = if default { 0 } else { 16 };
    let mut p = vec![2, length, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
    if !default {
        attribute(&mut p, 1, &[10, 9, 0, 0]);
    }
    attribute(&mut p, 4, &dev.to_ne_bytes());
    attribute(&mut p, 5, &via);
    if let Some(src) = src {
        attribute(&mut p, 7, &src);
    }
    entry("route", &p)
}

/// A route to 10.9.0.0/16 without a gateway.
pub(super) fn link_route(dev: u32) -> Entry {
    let mut p = vec![2, 16, 0, 0, 254, 4, 253, 1, 0, 0, 0, 0];
    attribute(&mut p, 1, &[10, 9, 0, 0]);
    attribute(&mut p, 4, &dev.to_ne_bytes());
    entry("route", &p)
}

/// A rule with `iif eth0`.
pub(super) fn rule() -> Entry {
    let mut p = vec![2, 0, 0, 0, 100, 0, 0, 1, 0, 0, 0, 0];
    attribute(&mut p, 3, b"eth0\0");
    attribute(&mut p, 6, &1000u32.to_ne_bytes());
    entry("rule", &p)
}

/// What was observed of the host of these tests: eth0 with two addresses of one subnet, a default
/// route, a rule, and a route of eth1 that names the first address as its source.
pub(super) fn inventory() -> Inventory {
    let link = |name: &str, ifindex| LinkFacts {
        name: name.into(),
        ifindex,
        mtu: 1500,
        up: true,
        ..LinkFacts::default()
    };
    Inventory {
        links: vec![link("lo", 1), link("eth0", NIC), link("eth1", 3)],
        addresses: vec![address(NIC, [10, 0, 0, 5]), address(NIC, [10, 0, 0, 6])],
        routes: vec![
            route(NIC, true, [10, 0, 0, 1], None),
            route(3, false, [10, 8, 0, 1], Some([10, 0, 0, 5])),
        ],
        rules: vec![rule()],
        neighbours: Vec::new(),
        sysctls: [
            ("ipv6/conf/default/disable_ipv6", "0"),
            ("ipv6/conf/eth0/disable_ipv6", "0"),
            ("ipv4/conf/eth0/arp_ignore", "0"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into(),
        bridge: BridgeFacts {
            answers: true,
            ..BridgeFacts::default()
        },
        ifupdown: Vec::new(),
        clients: Vec::new(),
    }
}

/// The same host with its addresses on eth0.10.
pub(super) fn on_sub_interface() -> Inventory {
    let mut i = inventory();
    i.links.push(LinkFacts {
        name: "eth0.10".into(),
        ifindex: SUB,
        kind: Some("vlan".into()),
        vlan: Some(10),
        lower: Some(NIC),
        mtu: 1500,
        up: true,
        making: vec![1, 2, 3],
        ..LinkFacts::default()
    });
    let (from, to) = (
        nic(),
        LinkId {
            name: "eth0.10".into(),
            ifindex: SUB,
        },
    );
    // Not moved: on its way an address says no more that it has no end.
    i.addresses = vec![address(SUB, [10, 0, 0, 5]), address(SUB, [10, 0, 0, 6])];
    for entries in [&mut i.routes, &mut i.rules] {
        for entry in entries.iter_mut() {
            *entry = entry.moved(&from, &to);
        }
    }
    i
}

pub(super) fn target() -> Target {
    Target {
        uplink: "eth0".into(),
        host_vlan: None,
        trunks: Vec::new(),
        mac: None,
        addresses: vec!["10.0.0.5/24".parse().expect("a prefix")],
        bridge: "br-flat".into(),
        host_port: "flat0".into(),
        datapath: "system".into(),
        api_server: None,
    }
}

/// What a host has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Kept over a boot: the bridge, and its ports.
    pub(super) database: BTreeSet<String>,
    /// In the kernel's order.
    pub(super) entries: Vec<Entry>,
    pub(super) links: BTreeSet<String>,
    pub(super) sysctls: BTreeMap<String, String>,
    pub(super) flows: bool,
}

/// What happens at the operation of a number, counted from 0 over all that the host did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails, and has done nothing.
    Fail,
    /// It fails, and has done its work.
    FailAfter,
    /// The process dies before it.
    Die,
    /// The process dies when it is done.
    DieAfter,
}

pub(super) struct Memory {
    pub(super) state: Mutex<State>,
    pub(super) at: Option<(usize, Fault)>,
    pub(super) done: AtomicUsize,
    pub(super) died: Notify,
    pub(super) answers: bool,
    pub(super) clock: AtomicUsize,
}

impl Memory {
    pub(super) fn new(i: &Inventory) -> Self {
        let entries = i
            .addresses
            .iter()
            .chain(&i.routes)
            .chain(&i.rules)
            .map(Entry::as_request)
            .collect();
        let state = State {
            database: BTreeSet::new(),
            entries,
            links: i.links.iter().map(|l| l.name.clone()).collect(),
            sysctls: i.sysctls.clone(),
            flows: false,
        };
        Self {
            state: Mutex::new(state),
            at: None,
            done: AtomicUsize::new(0),
            died: Notify::new(),
            answers: true,
            clock: AtomicUsize::new(0),
        }
    }

    pub(super) fn state(&self) -> State {
        self.state.lock().expect("unpoisoned").clone()
    }

    async fn operate(
        &self,
        step: &Step,
        work: impl FnOnce(&mut State) + Send,
    ) -> Result<(), StepError> {
        let number = self.done.fetch_add(1, Ordering::Relaxed);
        let fault = self.at.filter(|(at, _)| *at == number).map(|(_, f)| f);
        if fault == Some(Fault::Die) {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        let failed = || StepError {
            step: step.to_string(),
            reason: "a fault on order".into(),
        };
        if fault == Some(Fault::Fail) {
            return Err(failed());
        }
        work(&mut self.state.lock().expect("unpoisoned"));
        match fault {
            Some(Fault::DieAfter) => {
                self.died.notify_one();
                std::future::pending::<()>().await;
                Ok(())
            }
            Some(Fault::FailAfter) => Err(failed()),
            _ => Ok(()),
        }
    }
}

impl State {
    /// The kernel refuses what has no link, and a gateway that no address reaches.
    fn takes(&self, entry: &Entry, on: &LinkId) -> bool {
        let address = |e: &Entry| e.kind() == EntryKind::Address && e.is_of(on);
        self.links.contains(&on.name)
            && (entry.kind() != EntryKind::Route || self.entries.iter().any(address))
    }

    fn put(&mut self, entry: &Entry) {
        let entry = entry.as_request();
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }

    /// As the kernel: a primary takes its secondaries along, and routes that name the address go
    /// too, on whatever interface.
    fn remove(&mut self, entry: &Entry) {
        let entry = entry.as_request();
        let Some(at) = self.entries.iter().position(|e| *e == entry) else {
            return;
        };
        self.entries.remove(at);
        if let Some(gone) = entry.as_address() {
            let first = !self.entries[..at]
                .iter()
                .filter_map(Entry::as_address)
                .any(|a| a.ifindex == gone.ifindex);
            self.entries.retain(|e| {
                let secondary = first && e.as_address().is_some_and(|a| a.ifindex == gone.ifindex);
                let names = e
                    .as_route()
                    .is_some_and(|r| r.src == Some(gone.address.ip()));
                !secondary && !names
            });
        }
    }
}

impl Host for Memory {
    async fn apply(&self, j: &Journal, step: &Step) -> Result<(), StepError> {
        let from = j.source();
        let to = host_port();
        self.operate(step, |s| match step {
            Step::Bridge(b) => {
                s.database.insert(b.bridge.clone());
                s.database.insert(b.host_port.clone());
            }
            Step::Flows(_) => s.flows = true,
            Step::Sysctl { key, after, .. } => {
                s.sysctls.insert(key.clone(), after.clone());
            }
            Step::Give(Item(e)) => s.put(&e.moved(&from, &to)),
            Step::TakeNic(b) => {
                s.database.insert(b.nic.clone());
            }
            Step::Take(Item(e)) => s.remove(e),
            Step::DeleteLink { name, .. } => {
                s.links.remove(name);
                s.entries.retain(|e| !e.is_of(&from));
            }
            Step::RestoreAfter(items) => {
                items.iter().for_each(|i| s.put(&i.0.moved(&from, &to)));
            }
            _ => {}
        })
        .await
    }

    async fn undo(&self, j: &Journal, step: &Step) -> Result<(), StepError> {
        let from = j.source();
        let to = host_port();
        if let Step::Take(Item(e)) = step
            && !self.state().takes(e, &from)
        {
            return Err(StepError {
                step: step.to_string(),
                reason: "its link, or the address of its gateway, is not there".into(),
            });
        }
        self.operate(step, |s| match step {
            Step::Bridge(b) => {
                s.database.clear();
                s.sysctls.retain(|k, _| !k.contains(&b.host_port));
                s.entries.retain(|e| !e.is_of(&to));
            }
            Step::Flows(_) => s.flows = false,
            Step::Sysctl {
                key,
                before: Some(before),
                ..
            } => {
                s.sysctls.insert(key.clone(), before.clone());
            }
            Step::Give(Item(e)) => s.remove(&e.moved(&from, &to)),
            Step::TakeNic(b) | Step::FreeNic(b) => {
                s.database.remove(&b.nic);
            }
            Step::Take(Item(e)) => s.put(e),
            Step::DeleteLink { name, .. } => {
                s.links.insert(name.clone());
            }
            Step::RestoreBefore(items) => items.iter().for_each(|i| s.put(&i.0)),
            _ => {}
        })
        .await
    }

    async fn answers(&self, _: &Journal, _: &Gate) -> bool {
        self.answers
    }

    fn end(&self, _: i32) {}

    fn now(&self) -> Duration {
        Duration::from_secs(self.clock.load(Ordering::Relaxed) as u64)
    }

    async fn sleep(&self, _: Duration) {
        self.clock.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

/// A state without the order of its entries, in which only addresses of a device count.
pub(super) fn sorted(state: &State) -> State {
    let mut state = state.clone();
    state.entries.sort();
    state
}
