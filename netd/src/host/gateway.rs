//! Whether the host's gateways answer.
//!
//! The kernel resolves a gateway only while packets are sent to it. netd has it resolved regularly,
//! so that a silent gateway is a problem before it is needed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use flatnet_kernel::{Kernel, Link};
use flatnet_plan::NodeSpec;
use tokio::time::Instant;

use crate::node_ops::NodeOpsError;

/// How long a gateway may be unanswered before it counts as silent; the kernel sends a request each
/// second.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// The gateways that have not answered, and since when.
#[derive(Debug, Default)]
pub(super) struct GatewayMonitor {
    since: BTreeMap<IpAddr, Instant>,
}

impl GatewayMonitor {
    /// Has the kernel resolve each gateway on the host's link, unless it knows it already.
    pub(super) async fn check(
        &mut self,
        kernel: &Kernel,
        spec: &NodeSpec,
        link: &Link,
    ) -> Result<(), NodeOpsError> {
        let mut checked = Vec::new();
        for gateway in spec.host_gateways.iter().filter(|g| is_on_link(g, spec)) {
            // The link may have just gone down, which is another problem.
            match kernel.touch_neighbour(link.ifindex, *gateway).await {
                Ok(()) => checked.push(*gateway),
                Err(e) => tracing::debug!(%gateway, error = %e, "not asked for"),
            }
        }
        let failed: Vec<IpAddr> = match checked.is_empty() {
            true => Vec::new(),
            false => kernel
                .neighbours(None)
                .await?
                .into_iter()
                .filter(|n| n.failed && n.ifindex == link.ifindex)
                .map(|n| n.address)
                .collect(),
        };
        checked.retain(|g| failed.contains(g));
        self.record_unanswered(&checked, Instant::now());
        Ok(())
    }

    /// Forgets all: without a link, which is another problem, no gateway can answer.
    pub(super) fn forget(&mut self) {
        self.since.clear();
    }

    fn record_unanswered(&mut self, failed: &[IpAddr], now: Instant) {
        self.since.retain(|gateway, _| failed.contains(gateway));
        for gateway in failed {
            self.since.entry(*gateway).or_insert(now);
        }
    }

    /// Whether any gateway has not answered.
    pub(super) fn any_unanswered(&self) -> bool {
        !self.since.is_empty()
    }

    /// The gateways that have not answered for [`SILENT_AFTER`].
    pub(super) fn silent(&self, now: Instant) -> Vec<IpAddr> {
        let lasts = |since: &Instant| now >= *since + SILENT_AFTER;
        let silent = self.since.iter().filter(|(_, since)| lasts(since));
        silent.map(|(gateway, _)| *gateway).collect()
    }
}

/// Whether the host has an address of the gateway's subnet. Without one it cannot resolve the
/// gateway; the missing address is a problem of its own.
fn is_on_link(gateway: &IpAddr, spec: &NodeSpec) -> bool {
    let link_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
    link_local || spec.host_addresses.iter().any(|a| a.contains(*gateway))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_silent_after_two_seconds_without_an_answer() {
        let (one, two) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let begun = Instant::now();
        let mut gateways = GatewayMonitor::default();
        gateways.record_unanswered(&[one], begun);
        assert!(gateways.any_unanswered());
        assert!(gateways.silent(begun + SILENT_AFTER / 2).is_empty());
        gateways.record_unanswered(&[one, two], begun + SILENT_AFTER);
        assert_eq!(gateways.silent(begun + SILENT_AFTER), [one]);
        // It answers again.
        gateways.record_unanswered(&[two], begun + SILENT_AFTER);
        assert_eq!(gateways.silent(begun + SILENT_AFTER * 2), [two]);
        gateways.forget();
        assert!(!gateways.any_unanswered());
    }
}
