//! The kernel's events about addresses, routes, rules and settings that concern netd.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flatnet_kernel::{HostEvent, Kernel, LinkEvent};
use flatnet_types::IfName;
use flatnet_types::marks::ROUTE_PROTOCOL;
use tokio::sync::Notify;

use crate::marks::{ALIAS_PREFIX, LINK_PREFIX};
use crate::probe;
use crate::reconcile::{HOST_LINK, HOST_PORT, ReconcileOps};
use crate::state::NodeState;

/// How long a container's new link may be down: it is created down, and its ADD sets it up. A link
/// that is down for longer was set down.
const NEW_LINK_GRACE: Duration = Duration::from_millis(300);

/// What an event triggers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Triggers {
    /// A reconcile.
    pub(super) reconcile: bool,
    /// A poll of the host.
    pub(super) poll: bool,
}

/// Selects the events that concern netd, by the links that they are about.
#[derive(Debug, Default)]
pub(super) struct EventFilter {
    /// ifindices of the host's port and of the uplink.
    pub(super) links: BTreeSet<u32>,
}

impl EventFilter {
    pub(super) fn of(&self, event: &HostEvent) -> Triggers {
        let reconcile = match event {
            HostEvent::Address(a) => {
                a.protocol == ROUTE_PROTOCOL || self.links.contains(&a.ifindex)
            }
            HostEvent::Route(r) => {
                let on_link = |hop: &flatnet_kernel::NextHop| {
                    hop.ifindex.is_some_and(|i| self.links.contains(&i))
                };
                let default = r.dst.prefix() == 0;
                r.protocol == ROUTE_PROTOCOL || default || r.nexthops.iter().any(on_link)
            }
            HostEvent::Rule | HostEvent::Setting => false,
            HostEvent::Resync => true,
        };
        let poll = reconcile || matches!(event, HostEvent::Rule | HostEvent::Setting);
        Triggers { reconcile, poll }
    }
}

/// Listens until the kernel adapter stops. Cancel safe.
pub(super) async fn run<N: ReconcileOps>(state: NodeState<N>, kernel: Kernel, poll: Arc<Notify>) {
    let (mut host, mut links) = (kernel.watch_host(), kernel.watch());
    let repair_requested = state.repair_requested();
    let uplink = state.spec().uplink.clone();
    let own = |name: &str| name == HOST_PORT || name == uplink.as_str();
    let mut filter = EventFilter::default();
    for name in [HOST_LINK, uplink.clone()] {
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
                    repair_requested.notify_one();
                }
                if triggers.poll {
                    poll.notify_one();
                }
            }
            event = links.next() => match event {
                None => return,
                Some(LinkEvent::Changed(link)) if own(&link.name) => {
                    filter.links.insert(link.ifindex);
                    // Its carrier may have changed.
                    poll.notify_one();
                }
                Some(LinkEvent::Changed(link)) if is_probe(&link.name) => {
                    if !link.up {
                        repair_requested.notify_one();
                    }
                }
                Some(LinkEvent::Changed(link)) => {
                    let alias = link.alias.as_deref().unwrap_or_default();
                    if !link.up
                        && link.name.starts_with(LINK_PREFIX)
                        && alias.starts_with(ALIAS_PREFIX)
                    {
                        tokio::spawn(still_down(kernel.clone(), link, Arc::clone(&repair_requested)));
                    }
                }
                Some(LinkEvent::Deleted { name, ifindex }) => {
                    filter.links.remove(&ifindex);
                    if is_probe(&name) {
                        repair_requested.notify_one();
                    }
                }
                Some(LinkEvent::Resync) => repair_requested.notify_one(),
            },
        }
    }
}

fn is_probe(name: &str) -> bool {
    probe::PORTS.contains(&name) || probe::PEERS.contains(&name)
}

/// Requests a reconcile if the link is still down after [`NEW_LINK_GRACE`].
async fn still_down(kernel: Kernel, link: flatnet_kernel::Link, repair_requested: Arc<Notify>) {
    tokio::time::sleep(NEW_LINK_GRACE).await;
    let Ok(name) = IfName::new(link.name.as_str()) else {
        return;
    };
    if let Ok(Some(now)) = kernel.link(&name).await
        && now.ifindex == link.ifindex
        && !now.up
    {
        repair_requested.notify_one();
    }
}
