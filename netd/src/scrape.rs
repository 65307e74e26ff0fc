//! The metrics that are read when Prometheus asks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use flatnet_ovs::openflow::{FlowFilter, Instructions};
use flatnet_types::marks::{COOKIE_MARK, COOKIE_MARK_MASK};

use crate::attach::Engine;
use crate::flows::table;
use crate::live::Live;
use crate::metrics::{Metrics, PeerLabel, RangeLabels};
use crate::view::Scrape;

/// Reads the store and the switch.
pub(crate) struct Scraper {
    engine: Engine<Live>,
    metrics: Arc<Metrics>,
}

impl Scraper {
    pub(crate) fn new(engine: Engine<Live>, metrics: Arc<Metrics>) -> Self {
        Self { engine, metrics }
    }

    fn ranges(&self) {
        let now = self.engine.now();
        for network in &self.engine.spec().networks {
            for usage in self
                .engine
                .ipam()
                .usage(&network.name, now)
                .unwrap_or_default()
            {
                let labels = RangeLabels {
                    network: network.name.to_string(),
                    range: usage.range.to_string(),
                };
                // A /64 has more addresses than a double has digits: near enough for a graph.
                let set = |family: &crate::metrics::RangeGauge, n: u128| {
                    family.get_or_create(&labels).set(n as f64);
                };
                set(&self.metrics.capacity, usage.capacity);
                set(&self.metrics.used, usage.used);
                set(&self.metrics.resting, usage.resting);
            }
        }
        let attachments = self.engine.ipam().list().len();
        self.metrics
            .attachments
            .set(i64::try_from(attachments).unwrap_or(i64::MAX));
    }

    fn connections(&self) {
        let world = self.engine.world();
        for (connection, count) in [
            ("ovsdb", world.database().reconnects()),
            ("openflow", world.switch().reconnects()),
        ] {
            self.metrics
                .reconnects
                .get_or_create(&PeerLabel { connection })
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Drops are the packets of flows of the security table that lead nowhere and match a
    /// port: 1 is a container's last flow, 105 and 120 are forged neighbour discovery.
    async fn drops(&self) {
        let filter = FlowFilter {
            table: Some(table::SECURITY),
            cookie: COOKIE_MARK,
            cookie_mask: COOKIE_MARK_MASK,
        };
        let Ok(stats) = self.engine.world().switch().flows(filter).await else {
            return;
        };
        let counted = |priority: u16| matches!(priority, 1 | 105 | 120);
        self.metrics.drops(
            stats
                .iter()
                .filter(|s| {
                    counted(s.flow.priority) && s.flow.instructions == Instructions::default()
                })
                .map(|s| (s.flow.cookie, s.packets)),
        );
    }
}

impl Scrape for Scraper {
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            self.ranges();
            self.connections();
            self.drops().await;
        })
    }
}
