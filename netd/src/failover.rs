//! When frames begin to leave by another link, the physical switches have to learn where this
//! host's addresses are now: netd announces them once for each change.
//!
//! ```text
//!   RTM_NEWLINK of the uplink ─▶ [Seen::moved] ─▶ gratuitous ARP, unsolicited advertisements:
//!                                                 the host's addresses and every container's
//! ```

use flatnet_kernel::{Link, LinkEvent};
use tracing::info;

use crate::attach::Engine;
use crate::daemon_node::DaemonNode;
use crate::node_ops::NodeOps;

/// What was last seen of the uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// Whether it has a carrier.
    carrier: bool,
    /// The link that a bond sends by, where its mode has one.
    active: Option<u32>,
}

impl Seen {
    fn of(link: &Link) -> Self {
        Self {
            carrier: link.has_carrier(),
            active: link.active_slave,
        }
    }

    /// Why the neighbours have to be told, if they have to be. Messages that repeat what is known
    /// are no reason, nor is the loss of what would carry the announcement.
    fn moved(self, before: Self) -> Option<&'static str> {
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

/// Announces for as long as netd runs. Cancel safe: it holds nothing.
pub(crate) async fn watch(node: DaemonNode, engine: Engine<DaemonNode>) {
    let mut links = node.kernel().watch();
    let uplink = engine.spec().uplink.clone();
    let look = async || node.kernel().link(&uplink).await.ok().flatten();
    let mut seen = look().await.as_ref().map(Seen::of);
    while let Some(event) = links.next().await {
        let link = match event {
            LinkEvent::Changed(link) if link.name == uplink.as_str() => Some(link),
            LinkEvent::Resync => look().await,
            _ => None,
        };
        let Some(now) = link.as_ref().map(Seen::of) else {
            continue;
        };
        // The first sight of a link is no change.
        let before = seen.replace(now).unwrap_or(now);
        if let Some(reason) = now.moved(before) {
            let packets = engine.announcements();
            info!(
                uplink = uplink.as_str(),
                reason,
                packets = packets.len(),
                "announced anew"
            );
            engine.node().announce(packets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seen(carrier: bool, active: Option<u32>) -> Seen {
        Seen { carrier, active }
    }

    #[test]
    fn neighbours_are_told_once_for_each_change() {
        let script = [
            (seen(true, Some(2)), None),
            (seen(true, Some(3)), Some("the bond sends by another link")),
            // The kernel says it again.
            (seen(true, Some(3)), None),
            // Both links gone, and one back.
            (seen(false, None), None),
            (seen(false, Some(2)), None),
            (seen(true, Some(2)), Some("the carrier is back")),
            (seen(true, Some(2)), None),
        ];
        let mut before = script[0].0;
        for (now, expected) in script {
            assert_eq!(now.moved(before), expected, "{before:?} to {now:?}");
            before = now;
        }
    }

    #[test]
    fn a_nic_that_loses_its_carrier_announces_when_it_is_back() {
        assert_eq!(seen(false, None).moved(seen(true, None)), None);
        assert!(seen(true, None).moved(seen(false, None)).is_some());
    }
}
