//! The metrics that are read when they are scraped.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use flatnet_ovs::openflow::{FlowFilter, FlowStats};
use flatnet_types::marks::{COOKIE_MARK, COOKIE_MARK_MASK};

use crate::daemon_node::DaemonNode;
use crate::flows::{DropReason, ServiceCounts, table};
use crate::metrics::{Metrics, PeerLabel, RangeLabels};
use crate::state::NodeState;
use crate::view::Scrape;

/// Reads metrics from the store and the switch.
pub(crate) struct Scraper {
    state: NodeState<DaemonNode>,
    metrics: Arc<Metrics>,
    /// The last reading of connections to services.
    service_counts: Mutex<ServiceCounts>,
}

impl Scraper {
    pub(crate) fn new(state: NodeState<DaemonNode>, metrics: Arc<Metrics>) -> Self {
        Self {
            state,
            metrics,
            service_counts: Mutex::default(),
        }
    }

    fn ranges(&self) {
        let now = self.state.now();
        for network in &self.state.spec().networks {
            for usage in self
                .state
                .ipam()
                .usage(&network.name, now)
                .unwrap_or_default()
            {
                let labels = RangeLabels {
                    network: network.name.to_string(),
                    range: usage.range.to_string(),
                };
                // A /64 has more addresses than an f64 can represent exactly; a graph does not need
                // more.
                let set = |family: &crate::metrics::RangeGauge, n: u128| {
                    family.get_or_create(&labels).set(n as f64);
                };
                set(&self.metrics.capacity, usage.capacity);
                set(&self.metrics.used, usage.used);
                set(&self.metrics.resting, usage.quarantined);
            }
        }
        let attachments = self.state.ipam().list().len();
        self.metrics
            .attachments
            .set(i64::try_from(attachments).unwrap_or(i64::MAX));
    }

    fn connections(&self) {
        let node = self.state.node();
        for (connection, count) in [
            ("ovsdb", node.database().reconnects()),
            ("openflow", node.switch().reconnects()),
        ] {
            self.metrics
                .reconnects
                .get_or_create(&PeerLabel { connection })
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Reads the drops: the packets of the drop flows of table SECURITY, and the refused
    /// connections to services.
    async fn drops(&self) {
        let of = |table| FlowFilter {
            table: Some(table),
            cookie: COOKIE_MARK,
            cookie_mask: COOKIE_MARK_MASK,
        };
        let switch = self.state.node().switch();
        // The admitted connections are read last, so that requests that arrive meanwhile do not
        // count as refused.
        let read = tokio::join!(
            switch.flows(of(table::SECURITY)),
            switch.flows(of(table::SHARE)),
            switch.flows(of(table::ADMIT)),
        );
        let (Ok(security), Ok(asked), Ok(admitted)) = read else {
            return;
        };
        let reading = |s: &FlowStats| Some((s.flow.cookie, DropReason::of(&s.flow)?, s.packets));
        let services = asked.iter().chain(&admitted).map(|s| (&s.flow, s.packets));
        let refused = {
            let mut last = self
                .service_counts
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *last = ServiceCounts::of(services).after(*last);
            (COOKIE_MARK, DropReason::ServiceShare, last.refused)
        };
        let security = security.iter().filter_map(reading);
        self.metrics.drops(security.chain([refused]));
    }
}

impl Scraper {
    /// Reads the frames that meters dropped.
    async fn metered(&self) {
        let Ok(stats) = self.state.node().switch().meter_stats().await else {
            return;
        };
        let readings = stats.iter().map(|s| (s.id, s.packets_dropped));
        self.metrics.metered(readings);
    }
}

impl Scrape for Scraper {
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            self.ranges();
            self.connections();
            self.metrics.problems(&self.state.board().counts());
            tokio::join!(self.drops(), self.metered());
        })
    }
}
