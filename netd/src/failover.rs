//! Announcements after a fail-over of the uplink: when frames begin to leave by another link, the
//! physical switches have to learn where this host's addresses are now. netd announces them once
//! for each change.
//!
//! ```text
//!   RTM_NEWLINK of the uplink ─▶ [UplinkState::announce_reason] ─▶ gratuitous ARP and unsolicited
//!                           neighbour advertisements: the host's addresses and every container's
//! ```

use flatnet_kernel::{Link, LinkEvent};
use tracing::info;

use crate::attach::announcements;
use crate::daemon_node::DaemonNode;
use crate::node_ops::NodeOps;
use crate::state::NodeState;

/// The state of the uplink that decides where frames leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UplinkState {
    /// Whether it has a carrier.
    carrier: bool,
    /// ifindex of the link that a bond sends by, in modes that have one.
    active: Option<u32>,
}

impl UplinkState {
    fn of(link: &Link) -> Self {
        Self {
            carrier: link.has_carrier(),
            active: link.active_slave,
        }
    }

    /// Why addresses have to be announced; `None` if they do not: the state is the same, or the
    /// link that would carry the announcement is down.
    fn announce_reason(self, before: Self) -> Option<&'static str> {
        if !self.carrier {
            None
        } else if !before.carrier {
            Some("the carrier is back")
        } else if self.active.is_some() && self.active != before.active {
            Some("the bond sends by another link")
        } else {
            None
        }
    }
}

/// Announces for as long as netd runs. Cancel safe: it has no state beyond the last link message.
pub(crate) async fn watch(node: DaemonNode, state: NodeState<DaemonNode>) {
    let mut links = node.kernel().watch();
    let uplink = state.spec().uplink.clone();
    let read_link = async || node.kernel().link(&uplink).await.ok().flatten();
    let mut last = read_link().await.as_ref().map(UplinkState::of);
    while let Some(event) = links.next().await {
        let link = match event {
            LinkEvent::Changed(link) if link.name == uplink.as_str() => Some(link),
            LinkEvent::Resync => read_link().await,
            _ => None,
        };
        let Some(now) = link.as_ref().map(UplinkState::of) else {
            continue;
        };
        // The first message about a link counts as no change.
        let before = last.replace(now).unwrap_or(now);
        if let Some(reason) = now.announce_reason(before) {
            let packets = announcements(&state);
            info!(
                uplink = uplink.as_str(),
                reason,
                packets = packets.len(),
                "announced anew"
            );
            state.node().announce(packets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn state(carrier: bool, active: Option<u32>) -> UplinkState {
        UplinkState { carrier, active }
    }

    #[test]
    fn the_uplink_is_announced_once_for_each_change() {
        let script = [
            (state(true, Some(2)), None),
            (state(true, Some(3)), Some("the bond sends by another link")),
            // A repeated message.
            (state(true, Some(3)), None),
            // Both links gone, and one back.
            (state(false, None), None),
            (state(false, Some(2)), None),
            (state(true, Some(2)), Some("the carrier is back")),
            (state(true, Some(2)), None),
        ];
        let mut before = script[0].0;
        for (now, expected) in script {
            assert_eq!(
                now.announce_reason(before),
                expected,
                "{before:?} to {now:?}"
            );
            before = now;
        }
    }

    #[test]
    fn a_nic_that_loses_its_carrier_announces_when_it_is_back() {
        assert_eq!(state(false, None).announce_reason(state(true, None)), None);
        assert!(
            state(true, None)
                .announce_reason(state(false, None))
                .is_some()
        );
    }
}
