//! The metrics that are read when Prometheus asks.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use flatnet_ovs::openflow::{FlowFilter, FlowStats};
use flatnet_types::marks::{COOKIE_MARK, COOKIE_MARK_MASK};

use crate::attach::Engine;
use crate::flows::{Asked, Reason, table};
use crate::live::Live;
use crate::metrics::{Metrics, PeerLabel, RangeLabels};
use crate::view::Scrape;

/// Reads the store and the switch.
pub(crate) struct Scraper {
    engine: Engine<Live>,
    metrics: Arc<Metrics>,
    /// Connections to services, as they were read last.
    asked: Mutex<Asked>,
}

impl Scraper {
    pub(crate) fn new(engine: Engine<Live>, metrics: Arc<Metrics>) -> Self {
        Self {
            engine,
            metrics,
            asked: Mutex::default(),
        }
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
                set(&self.metrics.resting, usage.quarantined);
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

    /// Drops are the packets of the flows of the security table that lead nowhere and are counted,
    /// and the connections to services that were refused.
    async fn drops(&self) {
        let of = |table| FlowFilter {
            table: Some(table),
            cookie: COOKIE_MARK,
            cookie_mask: COOKIE_MARK_MASK,
        };
        let switch = self.engine.world().switch();
        // Who asks meanwhile is not to count as refused: who was admitted is read last.
        let read = tokio::join!(
            switch.flows(of(table::SECURITY)),
            switch.flows(of(table::SHARE)),
            switch.flows(of(table::ADMIT)),
        );
        let (Ok(security), Ok(asked), Ok(admitted)) = read else {
            return;
        };
        let reading = |s: &FlowStats| Some((s.flow.cookie, Reason::of(&s.flow)?, s.packets));
        let services = asked.iter().chain(&admitted).map(|s| (&s.flow, s.packets));
        let refused = {
            let mut last = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Asked::of(services).after(*last);
            (COOKIE_MARK, Reason::ServiceShare, last.refused)
        };
        let security = security.iter().filter_map(reading);
        self.metrics.drops(security.chain([refused]));
    }
}

impl Scraper {
    /// What exceeded a limit.
    async fn metered(&self) {
        let Ok(stats) = self.engine.world().switch().meter_stats().await else {
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
            self.metrics.problems(&self.engine.board().counts());
            tokio::join!(self.drops(), self.metered());
        })
    }
}
