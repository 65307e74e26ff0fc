//! What a walk finds: hops, and a verdict on each.

use serde::Serialize;

use flatnet_types::api::trace::Packet;

/// One thing on the packet's way that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// Where: a node, a table, a segment.
    pub at: String,
    /// What of it.
    pub check: Check,
    /// Whether it is as it should be.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What is wrong or unknown, and why it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What repairs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// The plan knows both ends, and a way between them.
    Plan,
    /// The node's netd answers.
    Netd,
    /// A container has the address.
    Attachment,
    /// The container's interface, addresses and routes.
    Container,
    /// The container's port of the bridge.
    Port,
    /// The bridge's flows.
    Flows,
    /// The kernel's routes.
    Route,
    /// Whether the kernel forwards.
    Forwarding,
    /// The node's uplink.
    Uplink,
    /// The switches between.
    Segment,
    /// The edge router's table.
    EdgeRouter,
    /// The leased line at the edge router.
    Line,
    /// The VBR's table.
    Vbr,
    /// The VPC's route table.
    VpcTable,
}

impl Check {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Netd => "netd",
            Self::Attachment => "attachment",
            Self::Container => "container",
            Self::Port => "port",
            Self::Flows => "flows",
            Self::Route => "routes",
            Self::Forwarding => "forwarding",
            Self::Uplink => "uplink",
            Self::Segment => "switches",
            Self::EdgeRouter => "edge router",
            Self::Line => "leased line",
            Self::Vbr => "VBR",
            Self::VpcTable => "route table",
        }
    }
}

/// Whether a hop is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is.
    Ok,
    /// It is taken from the plan: nobody who could be asked is there.
    Assumed,
    /// It could not be looked at.
    Unknown,
    /// It is not.
    Wrong,
}

/// A command that repairs something, or finds out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// The machine to run it on; none: this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// One line of shell.
    pub command: String,
    /// What else to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Repair {
    /// A command to run on this machine.
    pub fn here(command: impl Into<String>) -> Self {
        Self {
            on: None,
            command: command.into(),
            note: None,
        }
    }

    /// A command to run on another machine.
    pub fn on(machine: impl Into<String>, command: impl Into<String>) -> Self {
        Self {
            on: Some(machine.into()),
            ..Self::here(command)
        }
    }

    /// With something else to know.
    #[must_use]
    pub fn noting(self, note: impl Into<String>) -> Self {
        Self {
            note: Some(note.into()),
            ..self
        }
    }
}

/// A packet's way, one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Walk {
    /// The packet whose way it is.
    pub packet: Packet,
    /// What it meets, in its order.
    pub hops: Vec<Hop>,
}

impl Walk {
    /// The first hop that is wrong; if none is, the first that is unknown.
    pub fn first_fault(&self) -> Option<&Hop> {
        let first = |verdict| self.hops.iter().find(move |h| h.verdict == verdict);
        first(Verdict::Wrong).or_else(|| first(Verdict::Unknown))
    }

    /// The worst verdict.
    pub fn verdict(&self) -> Verdict {
        self.first_fault().map_or(Verdict::Ok, |h| h.verdict)
    }
}

/// Builds a hop.
pub(crate) struct At<'a> {
    pub(crate) at: &'a str,
    pub(crate) check: Check,
}

impl At<'_> {
    fn hop(&self, verdict: Verdict, found: impl Into<String>) -> Hop {
        Hop {
            at: self.at.to_owned(),
            check: self.check,
            verdict,
            found: found.into(),
            why: None,
            repair: None,
        }
    }

    pub(crate) fn ok(&self, found: impl Into<String>) -> Hop {
        self.hop(Verdict::Ok, found)
    }

    pub(crate) fn assumed(&self, found: impl Into<String>) -> Hop {
        self.hop(Verdict::Assumed, found)
    }

    pub(crate) fn unknown(
        &self,
        found: impl Into<String>,
        why: impl Into<String>,
        ask: Option<Repair>,
    ) -> Hop {
        Hop {
            why: Some(why.into()),
            repair: ask,
            ..self.hop(Verdict::Unknown, found)
        }
    }

    pub(crate) fn wrong(
        &self,
        found: impl Into<String>,
        why: impl Into<String>,
        repair: Option<Repair>,
    ) -> Hop {
        Hop {
            why: Some(why.into()),
            repair,
            ..self.hop(Verdict::Wrong, found)
        }
    }
}
