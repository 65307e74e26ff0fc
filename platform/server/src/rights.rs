//! Who may do what: the hub's RBAC decides, by SubjectAccessReviews.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flatnet_clock::{Clock, System};
use flatnet_platform_types::GROUP;
use flatnet_platform_types::api::Code;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use crate::caller::Caller;
use crate::problem::{Refusal, Reply};

/// What somebody wants to do, in the words of Kubernetes' RBAC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Act<'a> {
    pub(crate) verb: &'static str,
    /// The resource, `apps`.
    pub(crate) resource: &'static str,
    /// A real subresource, or a virtual one: `release`, `abort`, `scale`.
    pub(crate) subresource: Option<&'static str>,
    /// The team; `None` for what belongs to no team, or for all of them.
    pub(crate) namespace: Option<&'a str>,
    /// The object; `None` for all.
    pub(crate) name: Option<&'a str>,
}

impl<'a> Act<'a> {
    pub(crate) fn new(verb: &'static str, resource: &'static str) -> Self {
        Self {
            verb,
            resource,
            ..Self::default()
        }
    }

    pub(crate) fn sub(mut self, subresource: &'static str) -> Self {
        self.subresource = Some(subresource);
        self
    }

    pub(crate) fn of(mut self, namespace: &'a str) -> Self {
        self.namespace = Some(namespace);
        self
    }

    pub(crate) fn on(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }
}

impl Act<'_> {
    fn reads(self) -> bool {
        matches!(self.verb, "get" | "list")
    }
}

impl std::fmt::Display for Act<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if let Some(sub) = self.subresource {
            write!(f, "/{sub}")?;
        }
        if let Some(name) = self.name {
            write!(f, " {name:?}")?;
        }
        match self.namespace {
            Some(namespace) => write!(f, " of team {namespace}"),
            None => Ok(()),
        }
    }
}

/// For how long an answer about reading is taken to be current. One about a change is asked for each time.
const CURRENT: Duration = Duration::from_secs(5);
/// For how long what was allowed to read may be read on while the hub does not answer.
const AWAY: Duration = Duration::from_secs(900);
/// Answers that are kept.
const KEPT: usize = 50_000;

/// Asks the hub, and keeps its answers about reading for a while.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    answers: Mutex<HashMap<(Caller, String), (bool, Duration)>>,
}

impl Rights {
    /// Whether `caller` may do that.
    ///
    /// # Errors
    /// If the hub does not answer, and has not said lately that it is allowed to read.
    pub(crate) async fn is_allowed(
        &self,
        hub: &Client,
        caller: &Caller,
        act: Act<'_>,
    ) -> Reply<bool> {
        if !act.reads() {
            return ask(hub, caller, act).await;
        }
        let key = (caller.clone(), act.to_string());
        let now = System.since_boot();
        let known = self
            .answers()
            .get(&key)
            .map(|(allowed, at)| (*allowed, now.saturating_sub(*at)));
        if let Some((allowed, age)) = known
            && age < CURRENT
        {
            return Ok(allowed);
        }
        match (ask(hub, caller, act).await, known) {
            (Ok(allowed), _) => {
                let mut answers = self.answers();
                if answers.len() >= KEPT {
                    answers.retain(|_, (_, at)| now.saturating_sub(*at) < CURRENT);
                }
                if answers.len() < KEPT {
                    answers.insert(key, (allowed, now));
                }
                Ok(allowed)
            }
            (Err(_), Some((true, age))) if age < AWAY => Ok(true),
            (Err(refusal), _) => Err(refusal),
        }
    }

    /// That `caller` may do that.
    ///
    /// # Errors
    /// 403 with who would have to be given which right.
    pub(crate) async fn demand(&self, hub: &Client, caller: &Caller, act: Act<'_>) -> Reply<()> {
        if self.is_allowed(hub, caller, act).await? {
            return Ok(());
        }
        let whose = act.namespace.map_or_else(
            || "for the whole hub".to_owned(),
            |n| format!("in namespace {n}"),
        );
        Err(Refusal::new(Code::Forbidden, format!("{} may not {act}", caller.name)).hint(format!(
            "the right is granted by RBAC on the hub, {whose}: its roles are in deploy/platform/roles.yaml"
        )))
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<(Caller, String), (bool, Duration)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(hub: &Client, caller: &Caller, act: Act<'_>) -> Reply<bool> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(caller.name.clone()),
            groups: Some(caller.groups.clone()),
            resource_attributes: Some(ResourceAttributes {
                group: Some(GROUP.to_owned()),
                verb: Some(act.verb.to_owned()),
                resource: Some(act.resource.to_owned()),
                subresource: act.subresource.map(str::to_owned),
                namespace: act.namespace.map(str::to_owned),
                name: act.name.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(hub.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|e| Refusal::of_hub("ask whether that is allowed", &e))?;
    Ok(answer.status.is_some_and(|s| s.allowed))
}
