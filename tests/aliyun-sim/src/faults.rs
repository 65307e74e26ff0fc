//! Faults on command: `POST /_sim/faults`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{ApiError, Throttle};
use crate::world::Ids;

/// A fault and which calls it hits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// The calls, by name; `*` at the end stands for anything; `metadata` is the metadata
    /// service. Empty: every call of the API.
    #[serde(default)]
    pub actions: Vec<String>,
    /// Only calls that name one of these route tables, or an entry of a batch that does. Empty:
    /// whichever they name.
    #[serde(default)]
    pub tables: Vec<String>,
    /// So many matching calls go by first.
    #[serde(default)]
    pub skip: u64,
    /// So many are hit; none: all.
    #[serde(default)]
    pub times: Option<u64>,
    /// How likely a matching call is hit, from 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// How many calls were hit so far. An answer, no setting.
    #[serde(default)]
    pub hit: u64,
}

impl Fault {
    /// Every kind at once, each seldom enough that work goes on. A delay in milliseconds that is
    /// longer than the client waits leaves it in doubt whether the call was done.
    pub fn every(delay: u64) -> Vec<Self> {
        let throttle = Kind::Throttle {
            code: "Throttling.User".to_owned(),
        };
        let error = Kind::Error {
            status: 500,
            code: "InternalError".to_owned(),
            message: String::new(),
        };
        let kinds = [
            (throttle, 0.05),
            (error, 0.04),
            (Kind::ErrorAfter, 0.04),
            (Kind::CutBefore, 0.04),
            (Kind::CutAfter, 0.04),
            (Kind::HalfBatch, 0.15),
            (Kind::DelayAfter { ms: delay }, 0.02),
            (Kind::DelayBefore { ms: delay }, 0.01),
            (Kind::Html { status: 502 }, 0.02),
        ];
        let fault = |(kind, probability)| Self {
            kind,
            actions: Vec::new(),
            tables: Vec::new(),
            skip: 0,
            times: None,
            probability,
            hit: 0,
        };
        kinds.map(fault).into()
    }
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Kind {
    /// The call is done so much later, in milliseconds.
    DelayBefore {
        /// Milliseconds.
        ms: u64,
    },
    /// The call is done at once and answered so much later, in milliseconds.
    DelayAfter {
        /// Milliseconds.
        ms: u64,
    },
    /// `Throttling`, `Throttling.User` or `Throttling.Api`; nothing is done.
    Throttle {
        /// `Code` of the error's body.
        #[serde(default = "throttling")]
        code: String,
    },
    /// An error with any code and status; nothing is done.
    Error {
        /// HTTP status.
        status: u16,
        /// `Code` of the error's body.
        code: String,
        /// `Message` of the error's body.
        #[serde(default)]
        message: String,
    },
    /// Done, and answered with HTTP 500 `InternalError` all the same.
    ErrorAfter,
    /// The connection is cut; nothing is done.
    CutBefore,
    /// Done, and the connection is cut instead of an answer.
    CutAfter,
    /// Of a batch, only the first half is done; the others are reported as failed.
    HalfBatch,
    /// A page of HTML instead of an answer, as a proxy gives; nothing is done.
    Html {
        /// HTTP status.
        #[serde(default = "bad_gateway")]
        status: u16,
    },
}

/// What the faults make of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// Before it is done.
    pub delay_before: Duration,
    /// Before it is answered.
    pub delay_after: Duration,
    /// Instead of doing it.
    pub instead: Option<Instead>,
    /// After doing it, instead of the answer.
    pub after: Option<After>,
    /// Only half of a batch.
    pub half_batch: bool,
    /// The names of the faults that hit.
    pub names: Vec<&'static str>,
}

/// What is answered to a call that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// Nothing: the connection ends.
    Cut,
    /// An error of the API.
    Error(ApiError),
    /// HTML.
    Html(u16),
}

/// What is answered to a call that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Nothing: the connection ends.
    Cut,
    /// HTTP 500 `InternalError`.
    InternalError,
}

/// The faults that are set.
#[derive(Debug)]
pub struct Faults {
    list: Vec<Fault>,
    chance: Ids,
    /// How far the service's clock is ahead of the machine's, in milliseconds.
    pub clock_skew_ms: i64,
}

impl Faults {
    /// None set.
    pub fn new(seed: u64) -> Self {
        Self {
            list: Vec::new(),
            chance: Ids::new(seed),
            clock_skew_ms: 0,
        }
    }

    /// Sets these, and no others; chance begins anew.
    pub fn set(&mut self, list: Vec<Fault>, seed: u64) {
        self.list = list;
        self.chance = Ids::new(seed);
    }

    /// Those that are set, and how often each hit.
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// What they make of a call, by its name and the route tables that it names.
    pub fn draw(&mut self, action: &str, tables: &[&str]) -> Effect {
        let mut effect = Effect::default();
        for fault in &mut self.list {
            if fault.strikes(action, tables, &mut self.chance) {
                effect.add(&fault.kind);
            }
        }
        effect
    }
}

impl Fault {
    fn matches(&self, action: &str, tables: &[&str]) -> bool {
        if !self.tables.is_empty() && !tables.iter().any(|t| self.tables.iter().any(|n| n == t)) {
            return false;
        }
        if self.actions.is_empty() {
            return action != METADATA;
        }
        self.actions
            .iter()
            .any(|name| match name.strip_suffix('*') {
                Some(begin) => action.starts_with(begin),
                None => name == action,
            })
    }

    fn strikes(&mut self, action: &str, tables: &[&str], chance: &mut Ids) -> bool {
        if !self.matches(action, tables) || self.times.is_some_and(|times| self.hit >= times) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let strikes = self.probability >= 1.0 || chance.fraction() < self.probability;
        self.hit += u64::from(strikes);
        strikes
    }
}

/// The name by which faults mean the metadata service.
pub const METADATA: &str = "metadata";

impl Effect {
    fn add(&mut self, kind: &Kind) {
        let name = match kind {
            Kind::DelayBefore { ms } => {
                self.delay_before += Duration::from_millis(*ms);
                "delayBefore"
            }
            Kind::DelayAfter { ms } => {
                self.delay_after += Duration::from_millis(*ms);
                "delayAfter"
            }
            Kind::Throttle { code } => {
                let throttle = match code.as_str() {
                    "Throttling.User" => Throttle::User,
                    "Throttling.Api" => Throttle::Api,
                    _ => Throttle::Service,
                };
                self.instead = Some(Instead::Error(ApiError::Throttling(throttle)));
                "throttle"
            }
            Kind::Error {
                status,
                code,
                message,
            } => {
                self.instead = Some(Instead::Error(ApiError::Injected {
                    status: *status,
                    code: code.clone(),
                    message: message.clone(),
                }));
                "error"
            }
            Kind::ErrorAfter => {
                self.after = Some(After::InternalError);
                "errorAfter"
            }
            Kind::CutBefore => {
                self.instead = Some(Instead::Cut);
                "cutBefore"
            }
            Kind::CutAfter => {
                self.after = Some(After::Cut);
                "cutAfter"
            }
            Kind::HalfBatch => {
                self.half_batch = true;
                "halfBatch"
            }
            Kind::Html { status } => {
                self.instead = Some(Instead::Html(*status));
                "html"
            }
        };
        self.names.push(name);
    }
}

/// HTTP 500 as the service says it.
pub fn internal_error() -> ApiError {
    ApiError::Injected {
        status: 500,
        code: "InternalError".to_owned(),
        message: "The request processing has failed due to some unknown error.".to_owned(),
    }
}

fn always() -> f64 {
    1.0
}

fn throttling() -> String {
    "Throttling".to_owned()
}

fn bad_gateway() -> u16 {
    502
}
