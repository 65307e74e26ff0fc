//! What the kernel announces of addresses, routes, rules and settings, as far as it concerns
//! netd.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flatnet_kernel::{HostEvent, Kernel, LinkEvent};
use flatnet_types::IfName;
use flatnet_types::marks::ROUTE_PROTOCOL;
use tokio::sync::Notify;

use crate::attach::Engine;
use crate::marks::{ALIAS_PREFIX, LINK_PREFIX};
use crate::probe;
use crate::reconcile::{HOST_PORT, ReconcileOps};

/// How long a container's link may be down before somebody is taken to have set it so: each
/// is born down, and its ADD sets it up.
const NEW_LINK_GRACE: Duration = Duration::from_millis(300);

/// What an event asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Triggers {
    /// That the node is compared with the plan.
    pub(super) reconcile: bool,
    /// That the host is looked at.
    pub(super) poll: bool,
}

/// Tells what concerns netd by the links that do.
#[derive(Debug, Default)]
pub(super) struct EventFilter {
    /// The indices of the host's port and of the uplink.
    pub(super) links: BTreeSet<u32>,
}

impl EventFilter {
    pub(super) fn of(&self, event: &HostEvent) -> Triggers {
        let reconcile = match event {
            HostEvent::Address(a) => {
                a.protocol == ROUTE_PROTOCOL || self.links.contains(&a.ifindex)
            }
            HostEvent::Route(r) => {
                let here = |hop: &flatnet_kernel::NextHop| {
                    hop.ifindex.is_some_and(|i| self.links.contains(&i))
                };
                let default = r.dst.prefix() == 0;
                r.protocol == ROUTE_PROTOCOL || default || r.nexthops.iter().any(here)
            }
            HostEvent::Rule | HostEvent::Setting => false,
            HostEvent::Resync => true,
        };
        let poll = reconcile || matches!(event, HostEvent::Rule | HostEvent::Setting);
        Triggers { reconcile, poll }
    }
}

/// Listens until the adapter is stopped. It holds nothing, and may be cancelled at any time.
pub(super) async fn run<N: ReconcileOps>(engine: Engine<N>, kernel: Kernel, poll: Arc<Notify>) {
    let (mut host, mut links) = (kernel.watch_host(), kernel.watch());
    let dirty = engine.dirty();
    let uplink = engine.spec().uplink.clone();
    let own = |name: &str| name == HOST_PORT || name == uplink.as_str();
    let mut filter = EventFilter::default();
    for name in [IfName::new(HOST_PORT).ok(), Some(uplink.clone())] {
        let Some(name) = name else { continue };
        if let Ok(Some(link)) = kernel.link(&name).await {
            filter.links.insert(link.ifindex);
        }
    }
    loop {
        tokio::select! {
            event = host.next() => {
                let Some(event) = event else { return };
                let triggers = filter.of(&event);
                if triggers.reconcile {
                    dirty.notify_one();
                }
                if triggers.poll {
                    poll.notify_one();
                }
            }
            event = links.next() => match event {
                None => return,
                Some(LinkEvent::Changed(link)) if own(&link.name) => {
                    filter.links.insert(link.ifindex);
                    // It may have lost its carrier, or have it back.
                    poll.notify_one();
                }
                Some(LinkEvent::Changed(link)) if is_probe(&link.name) => {
                    if !link.up {
                        dirty.notify_one();
                    }
                }
                Some(LinkEvent::Changed(link)) => {
                    let alias = link.alias.as_deref().unwrap_or_default();
                    if !link.up
                        && link.name.starts_with(LINK_PREFIX)
                        && alias.starts_with(ALIAS_PREFIX)
                    {
                        tokio::spawn(still_down(kernel.clone(), link, Arc::clone(&dirty)));
                    }
                }
                Some(LinkEvent::Deleted { name, ifindex }) => {
                    filter.links.remove(&ifindex);
                    if is_probe(&name) {
                        dirty.notify_one();
                    }
                }
                Some(LinkEvent::Resync) => dirty.notify_one(),
            },
        }
    }
}

fn is_probe(name: &str) -> bool {
    probe::PORTS.contains(&name) || probe::PEERS.contains(&name)
}

/// Wakes the reconciler if the link is down for longer than one that an ADD makes.
async fn still_down(kernel: Kernel, link: flatnet_kernel::Link, dirty: Arc<Notify>) {
    tokio::time::sleep(NEW_LINK_GRACE).await;
    let Ok(name) = IfName::new(link.name.as_str()) else {
        return;
    };
    if let Ok(Some(now)) = kernel.link(&name).await
        && now.ifindex == link.ifindex
        && !now.up
    {
        dirty.notify_one();
    }
}
