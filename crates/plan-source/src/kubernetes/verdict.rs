//! What is said of the objects, in the status of the plan's head.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_k8s_api::status::{
    ACCEPTED, AcceptedRevision, DiagnosticStatus, NetworkPlanStatus, POLICIES_ENFORCED,
};
use flatnet_k8s_client::{Cluster, ClusterError};
use flatnet_types::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use super::policies::{self, Policies};
use crate::{Refusal, State};

/// How often the status is looked at when nothing changes: somebody may have made the head anew.
const LOOK: Duration = Duration::from_secs(30);
/// When a status that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// The most diagnostics of a status.
pub(super) const DIAGNOSTICS_MAX: usize = 100;
/// The most characters of a text in a status, by the definitions.
const TEXT_MAX: usize = 1024;

/// Writes what `states` say of the objects, and of the cluster's NetworkPolicies, to the status of the plan's
/// head, where it says something else; until there are no more states. Cancel safe: a status is written as a
/// whole.
pub async fn publish_verdicts<T>(
    cluster: Arc<Cluster>,
    mut states: watch::Receiver<State<T>>,
    mut policies: watch::Receiver<Policies>,
) {
    let mut told = String::new();
    loop {
        let state = states.borrow_and_update().clone();
        let there = policies.borrow_and_update().clone();
        let wait = match publish(&cluster, &state, &there).await {
            Ok(()) => {
                told.clear();
                LOOK
            }
            Err(error) => {
                let text = Refusal::Cluster(Box::new(error)).text();
                if text != told {
                    warn!(why = text, "the plan's status is not written; trying again");
                    told = text;
                }
                RETRY
            }
        };
        let changed = async {
            tokio::select! {
                changed = states.changed() => changed.is_ok(),
                Ok(()) = policies.changed() => true,
            }
        };
        // Without a change it is looked at again.
        if timeout(wait, changed).await == Ok(false) {
            return;
        }
    }
}

async fn publish<T>(
    cluster: &Cluster,
    state: &State<T>,
    policies: &Policies,
) -> Result<(), ClusterError> {
    let now = Timestamp::from(SystemTime::now());
    if matches!(said(state), Said::Nothing) {
        return Ok(());
    }
    for (name, old) in cluster.plan_statuses().await? {
        if let Some(new) = verdict((state, policies), &old, now) {
            cluster.apply_plan_status(&name, &new).await?;
            info!(
                plan = name,
                errors = new.errors,
                "the plan's status is written"
            );
        }
    }
    Ok(())
}

/// What is to be said.
enum Said {
    /// The objects are not known.
    Nothing,
    Accepted,
    Refused {
        reason: &'static str,
        message: String,
    },
}

fn said<T>(state: &State<T>) -> Said {
    let Some(refused) = &state.refused else {
        return Said::Accepted;
    };
    let reason = match &refused.why {
        Refusal::Cluster(_) | Refusal::Read { .. } | Refusal::NotInForce { .. } => {
            return Said::Nothing;
        }
        Refusal::Objects(_) | Refusal::Load(_) => "Invalid",
        Refusal::Unusable { .. } => "Unusable",
    };
    let message = cut(&refused.why.headline());
    Said::Refused { reason, message }
}

/// The status that is to be written over `old`; `None` where it says so already.
pub(super) fn verdict<T>(
    (state, policies): (&State<T>, &Policies),
    old: &NetworkPlanStatus,
    now: Timestamp,
) -> Option<NetworkPlanStatus> {
    let (status, reason, message) = match said(state) {
        Said::Nothing => return None,
        Said::Accepted => (
            "True",
            "Valid",
            "the objects are the plan in force".to_owned(),
        ),
        Said::Refused { reason, message } => ("False", reason, message),
    };
    let mut conditions = vec![condition((ACCEPTED, status, reason), message, (old, now))];
    conditions.extend(policies_condition(policies, old, now));
    let refused = state.refused.as_deref();
    let diagnostics = refused.map_or(&[][..], |r| r.why.objects());
    let errors = diagnostics.iter().filter(|d| d.severity == "error").count();
    // What this daemon cannot use is one thing that is wrong, although the document has no error.
    let errors = errors.max(usize::from(refused.is_some()));
    let accepted = &state.accepted;
    let new = NetworkPlanStatus {
        accepted: Some(AcceptedRevision {
            revision: accepted.version.to_string(),
            short: accepted.version.short(),
            since: time(accepted.since),
        }),
        refused_revision: refused.and_then(|r| Some(r.version?.to_string())),
        errors: u32::try_from(errors).unwrap_or(u32::MAX),
        diagnostics: diagnostics
            .iter()
            .take(DIAGNOSTICS_MAX)
            .map(bounded)
            .collect(),
        conditions,
    };
    (new != *old).then_some(new)
}

/// What is said of NetworkPolicies; as it was while they are not known.
fn policies_condition(
    policies: &Policies,
    old: &NetworkPlanStatus,
    now: Timestamp,
) -> Option<Condition> {
    let Some(policies) = policies else {
        let mut before = old.conditions.iter();
        return before.find(|c| c.type_ == POLICIES_ENFORCED).cloned();
    };
    let (status, reason, message) = match policies::told(policies) {
        None => ("True", "NoPolicies", "there are none".to_owned()),
        Some(message) => ("False", "NotEnforced", cut(&message)),
    };
    let kind = (POLICIES_ENFORCED, status, reason);
    Some(condition(kind, message, (old, now)))
}

/// A condition of `(type, status, reason)`, since when it is so by the status before.
fn condition(
    (kind, status, reason): (&str, &str, &str),
    message: String,
    (old, now): (&NetworkPlanStatus, Timestamp),
) -> Condition {
    let before = old.conditions.iter().find(|c| c.type_ == kind);
    let before = before.filter(|c| c.status == status);
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: before.map_or_else(|| time(now), |c| c.last_transition_time.clone()),
        // It would be that of one object, and what is said is of all.
        observed_generation: None,
    }
}

pub(super) fn bounded(diagnostic: &DiagnosticStatus) -> DiagnosticStatus {
    DiagnosticStatus {
        code: cut(&diagnostic.code),
        severity: cut(&diagnostic.severity),
        object: cut(&diagnostic.object),
        field: cut(&diagnostic.field),
        message: cut(&diagnostic.message),
        hint: cut(&diagnostic.hint),
    }
}

pub(super) fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

/// In whole seconds: the API writes no smaller part of a time.
pub(super) fn time(at: Timestamp) -> Time {
    let seconds = i64::try_from(at.as_millis() / 1000).unwrap_or(i64::MAX);
    Time(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX))
}
