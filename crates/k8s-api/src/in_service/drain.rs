//! When a pod that is not wished to serve is drained. Pure.
//!
//! ```text
//!   wish goes ─▶ in an EndpointSlice as ready ─▶ in none ─▶ no new connection for `quiet` ─▶ drained
//!                        ▲                         │ ▲              │
//!                        └─────────────────────────┘ └── a late one ┘
//! ```

use std::time::Duration;

use super::probes;

/// How long a slice may say that a withdrawn pod is ready before it is named.
const NAMED_AFTER: Duration = Duration::from_secs(5);

/// New connections, and datagrams of protocols that have none, which came or were late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// First segments of TCP connections, but for those that the node itself opened.
    pub connections: u64,
    /// First segments of TCP connections from the node's own addresses: kubelet's probes, and whoever else there is.
    pub by_node: u64,
    /// Datagrams to the ports of the pod's Services.
    pub datagrams: u64,
}

impl Counts {
    /// What came since an earlier reading. One that is smaller began anew.
    fn since(self, before: Self) -> Self {
        let more = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        Self {
            connections: more(self.connections, before.connections),
            by_node: more(self.by_node, before.by_node),
            datagrams: more(self.datagrams, before.datagrams),
        }
    }

    /// Whether it can be a later reading than that.
    fn follows(self, before: Self) -> bool {
        self.connections >= before.connections
            && self.by_node >= before.by_node
            && self.datagrams >= before.datagrams
    }

    /// Connections from wherever.
    pub fn all_connections(self) -> u64 {
        self.connections.saturating_add(self.by_node)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            connections: self.connections.saturating_add(other.connections),
            by_node: self.by_node.saturating_add(other.by_node),
            datagrams: self.datagrams.saturating_add(other.datagrams),
        }
    }
}

/// Where a pod's address is offered to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered<'a> {
    /// The EndpointSlices are not known.
    Unknown,
    /// An EndpointSlice of this name says that it is ready.
    In(&'a str),
    /// In none.
    Nowhere,
}

/// How a drain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Its endpoints are being withdrawn, or new connections still come.
    Draining,
    /// An EndpointSlice has said for seconds that it is ready.
    Listed {
        /// The name of the EndpointSlice.
        slice: String,
    },
    /// It is over.
    Drained(Drained),
}

/// The end of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// For how long nothing new had come.
    pub quiet: Duration,
    /// What came after the endpoints were withdrawn, and before that.
    pub late: Counts,
}

/// The drain of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    begun: Duration,
    /// Since when nothing new has come while no slice offered it, and the reading of that time.
    quiet_since: Option<(Duration, Counts)>,
    late: Counts,
}

impl Drain {
    /// A drain that begins at that time of a monotonic clock.
    pub fn begin(now: Duration) -> Self {
        Self {
            begun: now,
            quiet_since: None,
            late: Counts::default(),
        }
    }

    /// What came late so far.
    pub fn late(&self) -> Counts {
        self.late
    }

    /// How it stands. `counts`: all that came to the port up to `now`; `None` where that is not known. `quiet` and
    /// `probes`: as of [`super::GatedPod`].
    ///
    /// Guarantee: [`Progress::Drained`] only where no slice offered the pod, and nothing came but as many connections
    /// of the node itself as kubelet's probes make, at every look for at least `quiet`; what is not known begins that
    /// time anew.
    pub fn look(
        &mut self,
        now: Duration,
        offered: Offered<'_>,
        counts: Option<Counts>,
        (quiet, probes): (Duration, &[Duration]),
    ) -> Progress {
        let (Offered::Nowhere, Some(counts)) = (offered, counts) else {
            self.quiet_since = None;
            return match offered {
                Offered::In(slice) if now.saturating_sub(self.begun) >= NAMED_AFTER => {
                    Progress::Listed {
                        slice: slice.to_owned(),
                    }
                }
                _ => Progress::Draining,
            };
        };
        let (since, before) = *self.quiet_since.get_or_insert((now, counts));
        let new = counts.since(before);
        let probed = probes::at_most(probes, now.saturating_sub(since));
        let late = Counts {
            by_node: new.by_node.saturating_sub(probed),
            ..new
        };
        if late != Counts::default() || !counts.follows(before) {
            self.late = self.late.plus(late);
            self.quiet_since = Some((now, counts));
            return Progress::Draining;
        }
        match now.saturating_sub(since) >= quiet {
            true => Progress::Drained(Drained {
                quiet,
                late: self.late,
            }),
            false => Progress::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUIET: Duration = Duration::from_secs(2);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn connections(connections: u64) -> Option<Counts> {
        Some(Counts {
            connections,
            ..Counts::default()
        })
    }

    #[test]
    fn a_late_connection_begins_the_quiet_time_anew_and_is_counted() {
        let mut drain = Drain::begin(ms(0));
        let mut look = |at, offered, count| drain.look(ms(at), offered, count, (QUIET, &[]));
        // Those that came while it was offered are not late.
        let offered = Offered::In("web-1");
        assert_eq!(look(0, offered, connections(3)), Progress::Draining);
        let listed = Progress::Listed {
            slice: "web-1".to_owned(),
        };
        assert_eq!(look(5_000, offered, connections(7)), listed);
        let nowhere = Offered::Nowhere;
        assert_eq!(look(5_100, nowhere, connections(9)), Progress::Draining);
        assert_eq!(look(7_000, nowhere, connections(10)), Progress::Draining);
        assert_eq!(look(8_999, nowhere, connections(10)), Progress::Draining);
        let late = Counts {
            connections: 1,
            ..Counts::default()
        };
        let drained = Progress::Drained(Drained { quiet: QUIET, late });
        assert_eq!(look(9_000, nowhere, connections(10)), drained);
    }

    #[test]
    fn what_is_not_known_begins_the_quiet_time_anew() {
        let mut drain = Drain::begin(ms(0));
        let mut look = |at, offered, count| drain.look(ms(at), offered, count, (QUIET, &[]));
        let nowhere = Offered::Nowhere;
        assert_eq!(look(0, nowhere, connections(0)), Progress::Draining);
        assert_eq!(look(1_900, nowhere, None), Progress::Draining);
        assert_eq!(look(2_000, nowhere, connections(0)), Progress::Draining);
        assert_eq!(
            look(3_900, Offered::Unknown, connections(0)),
            Progress::Draining
        );
        assert_eq!(look(4_000, nowhere, connections(0)), Progress::Draining);
        assert!(matches!(
            look(6_000, nowhere, connections(0)),
            Progress::Drained(_)
        ));
    }

    #[test]
    fn as_many_connections_of_the_node_as_kubelet_makes_are_not_late_and_more_are() {
        let second = [Duration::from_secs(1)];
        let by_node = |by_node| {
            Some(Counts {
                by_node,
                ..Counts::default()
            })
        };
        let mut drain = Drain::begin(ms(0));
        let mut look =
            |at, count| drain.look(ms(at), Offered::Nowhere, by_node(count), (QUIET, &second));
        for (at, count) in [(0, 9), (900, 10), (1_900, 11)] {
            assert_eq!(look(at, count), Progress::Draining);
        }
        let late = Counts::default();
        let drained = Progress::Drained(Drained { quiet: QUIET, late });
        assert_eq!(look(2_000, 11), drained);
        // Without probes each is late; so is each that comes besides.
        let mut bare = Drain::begin(ms(0));
        for (at, count) in [(0, 0), (900, 1), (2_000, 1)] {
            let progress = bare.look(ms(at), Offered::Nowhere, by_node(count), (QUIET, &[]));
            assert_eq!(progress, Progress::Draining);
        }
        assert_eq!(bare.late().all_connections(), 1);
        let mut more = Drain::begin(ms(0));
        for (at, count) in [(0, 0), (500, 2), (1_000, 3), (2_499, 4)] {
            let progress = more.look(ms(at), Offered::Nowhere, by_node(count), (QUIET, &second));
            assert_eq!(progress, Progress::Draining, "at {at}");
        }
        assert_eq!(more.late().all_connections(), 1);
    }

    proptest! {
        /// Whatever is seen in whichever order: drained is said only after `quiet` in which every look found the
        /// pod offered nowhere and the counts as they were, but for as many connections of the node as its probe, one
        /// a second, can make; and late is what else came while it was offered nowhere.
        #[test]
        fn drained_means_that_nothing_new_came_for_as_long(
            looks in prop::collection::vec((1u64..900, 0u8..8, 0u64..12, 0u64..10), 1..60),
        ) {
            let mut drain = Drain::begin(ms(0));
            let (mut now, mut total, mut probed, mut late) = (0, 0_u64, 0_u64, 0);
            let mut quiet_since: Option<(u64, u64, u64)> = None;
            for (step, sight, came, by_node) in looks {
                now += step;
                total += came.saturating_sub(8);
                probed += by_node.saturating_sub(6);
                let offered = match sight {
                    0 => Offered::Unknown,
                    1 => Offered::In("web-1"),
                    _ => Offered::Nowhere,
                };
                let counts = connections(total).filter(|_| sight != 2);
                let counts = counts.map(|of| Counts { by_node: probed, ..of });
                let progress = drain.look(ms(now), offered, counts, (QUIET, &[ms(1_000)]));
                let known = offered == Offered::Nowhere && counts.is_some();
                quiet_since = match quiet_since {
                    _ if !known => None,
                    Some((since, before, probes)) => {
                        let more = (probed - probes).saturating_sub((now - since) / 1_000 + 1);
                        late += total - before + more;
                        match before == total && more == 0 {
                            true => Some((since, before, probes)),
                            false => Some((now, total, probed)),
                        }
                    }
                    None => Some((now, total, probed)),
                };
                let over = quiet_since.is_some_and(|(since, _, _)| now - since >= 2_000);
                prop_assert_eq!(matches!(progress, Progress::Drained(_)), over);
                if let Progress::Drained(end) = progress {
                    prop_assert_eq!(end.late.all_connections(), late);
                }
            }
        }
    }
}
