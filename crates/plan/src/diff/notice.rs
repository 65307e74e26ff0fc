//! Who notices a change, for how long, and how to see that it is done.
//!
//! ```text
//!   [Kind] phase ─┬─ disrupts, lasts ─▶ how bad, for how long, why so long
//!                 └─ done ─▶ [Check] a command, where to run it, what it shows then
//!   [Whom] ─▶ [Notices] of each thing that changes: hosts, networks, prefixes, ways
//! ```
//!
//! A kind is what several changes have in common; whom they concern is found where they are.

use flatnet_types::VlanId;
use ipnetwork::IpNetwork;
use serde::Serialize;

use super::{Disruption, Phase};
use crate::takeover::{Field, Verdict};

/// For how long those who notice a change notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Until {
    /// Nobody notices anything.
    Never,
    /// Packets may be lost for seconds, or none: it is for switches, routers or the packets' size to
    /// say.
    AtMostSeconds,
    /// Packets are lost for seconds; afterwards all is as before.
    Seconds,
    /// Those who run go on as they are. What is new they get when they are made again, and while
    /// that happens they are away.
    Drained,
    /// As long as the work takes, which is for whoever does it to say.
    Done,
    /// Packets are lost for as long as the new plan is in force.
    Undone,
}

impl Until {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "nothing",
            Self::AtMostSeconds => "seconds at most",
            Self::Seconds => "seconds",
            Self::Drained => "until drained",
            Self::Done => "until the work is done",
            Self::Undone => "until undone",
        }
    }
}

/// For how long, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lasts {
    /// For how long.
    pub until: Until,
    /// Why it is so, or while what; goes on behind [`Until::as_str`] after a comma. Empty where
    /// nobody notices anything.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'static str,
}

impl Lasts {
    /// For people, in one line.
    pub fn words(self) -> String {
        match self.until {
            Until::Never => "nobody notices it".to_owned(),
            until => format!("{}, {}", until.as_str(), self.reason),
        }
    }
}

/// Whose packets a change may cost, or who has to be made again.
///
/// A packet is concerned if either of its ends is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Notices {
    /// Every host of a site, with its containers.
    Site(String),
    /// A host, with its containers.
    Host(String),
    /// The containers of a network, on every host.
    Network(String),
    /// Frames of a protocol of routers and switches, of the containers of a network.
    Protocol {
        /// Name of the network in the plan.
        network: String,
        /// The protocol's name, as the plan's `allow` has it.
        protocol: String,
    },
    /// Frames that the containers of a network send with the tag of a VLAN of their trunk.
    Tagged {
        /// Name of the network in the plan.
        network: String,
        /// VLAN ID of the frames: 1 to 4094.
        vlan: VlanId,
    },
    /// Whoever has an address of a prefix, and who talks to them.
    Prefix(IpNetwork),
    /// What crosses between two sites.
    Between([String; 2]),
    /// What crosses between a prefix of one site and another site.
    Across {
        /// The prefix.
        prefix: IpNetwork,
        /// The other site.
        site: String,
    },
}

/// How to see that a change is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What to run; words in capitals are to be filled in.
    pub run: &'static str,
    /// Where to run it.
    pub on: &'static str,
    /// What it shows when the change is done.
    pub shows: &'static str,
    /// The sample of netd's metrics that is 0 then, or not there; empty: none says it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub metric: &'static str,
}

/// By what a change is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Done {
    /// Nothing is to be done.
    Noted,
    /// A plan's file that netd took over.
    Taken,
    /// Containers that were made again.
    Remade,
    /// Containers that left a host or a range.
    Left,
    /// A host that serves.
    Serves,
    /// A host that is gone.
    Gone,
    /// A range that a host has.
    Given,
    /// A range that a host has no longer.
    Released,
    /// Slices that ipamd cuts.
    Sliced,
    /// Entries of route tables.
    Routed,
    /// A leased line that carries.
    Crossed,
    /// A VLAN, a subnet or a cable that carries.
    Carried,
    /// Something that nobody uses any more.
    Unused,
    /// The hosts' way out.
    Answers,
    /// The size of packets that get through.
    Sized,
    /// A host's uplink.
    Linked,
}

/// Every check that a change may name.
pub fn checks() -> impl Iterator<Item = Check> {
    Done::ALL.into_iter().filter_map(Done::check)
}

impl Done {
    const ALL: [Self; 16] = [
        Self::Noted,
        Self::Taken,
        Self::Remade,
        Self::Left,
        Self::Serves,
        Self::Gone,
        Self::Given,
        Self::Released,
        Self::Sliced,
        Self::Routed,
        Self::Crossed,
        Self::Carried,
        Self::Unused,
        Self::Answers,
        Self::Sized,
        Self::Linked,
    ];

    /// What to run; none where nothing is to be done.
    pub(super) fn check(self) -> Option<Check> {
        const STATUS: &str = "flatctl node status";
        const ATTACHMENTS: &str = "flatctl attachments";
        const HOSTS: &str = "each host that it concerns";
        const TABLES: &str = "the host of vpc-route";
        let check = |run, on, shows| Check {
            run,
            on,
            shows,
            metric: "",
        };
        Some(match self {
            Self::Noted => return None,
            Self::Taken => Check {
                metric: "flatnet_problem{code=\"plan-changed\"}",
                ..check(
                    STATUS,
                    HOSTS,
                    "no problem plan-changed, which says what netd has not taken over",
                )
            },
            Self::Remade => check(
                ATTACHMENTS,
                HOSTS,
                "no container that it concerns and whose AGE reaches back before the change",
            ),
            Self::Left => check(ATTACHMENTS, HOSTS, "no container that has to leave"),
            Self::Serves => check(STATUS, HOSTS, "ready: yes"),
            Self::Gone => check(
                "flatctl range list",
                "the host of ipamd",
                "no range of the host",
            ),
            Self::Given => check(STATUS, HOSTS, "the range among its ranges"),
            Self::Released => check(STATUS, HOSTS, "the range no longer among its ranges"),
            Self::Sliced => check(
                "flatctl range list",
                "the host of ipamd",
                "slices of the new kind, and none of the old that drain",
            ),
            Self::Routed => check(
                "flatctl routes diff",
                TABLES,
                "nothing to do for the table, and exits with 0",
            ),
            Self::Crossed => check(
                "flatctl link check",
                TABLES,
                "ok at every hop of the line, and exits with 0",
            ),
            Self::Carried => check(
                "flatctl trace ADDRESS GATEWAY",
                "a host with a container there",
                "ok at the hop of the switches",
            ),
            Self::Unused => check(
                ATTACHMENTS,
                HOSTS,
                "no container that uses it; the rest is the switch's, the router's or the cloud's to show",
            ),
            Self::Answers => Check {
                metric: "flatnet_problem{code=\"gateway-silent\"}",
                ..check(STATUS, HOSTS, "ready: yes, and no problem gateway-silent")
            },
            Self::Sized => check(
                "ping -M do -c 3 -s SIZE ADDRESS",
                "a container, with the MTU less 28 for SIZE",
                "3 received",
            ),
            Self::Linked => Check {
                metric: "flatnet_problem{code=\"uplink-no-carrier\"}",
                ..check(STATUS, HOSTS, "ready: yes, and no problem of the uplink")
            },
        })
    }
}

/// What changes of one kind have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kind {
    pub(super) phase: Phase,
    pub(super) disrupts: Disruption,
    pub(super) lasts: Lasts,
    pub(super) mind: &'static str,
    pub(super) done: Done,
    /// When netd takes it over, where it is of a node's part.
    pub(super) netd: Option<Verdict>,
}

impl Kind {
    /// One that nobody notices.
    pub(super) const fn new(phase: Phase, done: Done) -> Self {
        Self {
            phase,
            disrupts: Disruption::None,
            lasts: Lasts {
                until: Until::Never,
                reason: "",
            },
            mind: "",
            done,
            netd: None,
        }
    }

    /// Of a field of the nodes' parts.
    pub(super) const fn of(self, field: Field) -> Self {
        Self {
            netd: Some(field.verdict()),
            ..self
        }
    }

    /// Of no field of the nodes' parts.
    pub(super) const fn netd_takes_nothing(self) -> Self {
        Self { netd: None, ..self }
    }

    /// The same where there is nobody who could notice it.
    pub(super) const fn unnoticed(self) -> Self {
        self.lasts(Disruption::None, Until::Never, "")
    }

    /// With what to mind.
    pub(super) const fn mind(self, mind: &'static str) -> Self {
        Self { mind, ..self }
    }

    /// Packets are lost for seconds: "while …".
    pub(super) const fn brief(self, reason: &'static str) -> Self {
        self.lasts(Disruption::Brief, Until::Seconds, reason)
    }

    /// Packets may be lost for seconds: "while …".
    pub(super) const fn at_most_brief(self, reason: &'static str) -> Self {
        self.lasts(Disruption::Brief, Until::AtMostSeconds, reason)
    }

    /// Containers have to be made again.
    pub(super) const fn remade(self, reason: &'static str) -> Self {
        self.lasts(Disruption::Recreate, Until::Drained, reason)
    }

    /// Packets are lost, for so long.
    pub(super) const fn outage(self, until: Until, reason: &'static str) -> Self {
        self.lasts(Disruption::Outage, until, reason)
    }

    const fn lasts(self, disrupts: Disruption, until: Until, reason: &'static str) -> Self {
        Self {
            disrupts,
            lasts: Lasts { until, reason },
            ..self
        }
    }
}

/// Whom something concerns.
pub(super) type Whom = Vec<Notices>;

/// Nobody.
pub(super) const NOBODY: Whom = Vec::new();
