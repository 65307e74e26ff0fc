//! What every request is answered with.

use std::sync::Arc;

use flatnet_clock::{Clock, System};
use flatnet_platform_types::Moment;
use flatnet_platform_types::api::{ChangeOutcome, FieldChange};
use kube::Client;
use tokio::sync::watch;

use crate::accounts::Passwords;
use crate::audit::{Asked, Audit};
use crate::caller::Caller;
use crate::oidc::Oidc;
use crate::problem::Reply;
use crate::projection::Projection;
use crate::registry::Registry;
use crate::rights::{Act, Rights};
use crate::session::Sessions;

pub(crate) struct Context {
    /// For writes, reviews, and Secrets.
    pub(crate) hub: Client,
    /// The namespace with the platform's own Secrets.
    pub(crate) namespace: String,
    pub(crate) projection: Projection,
    pub(crate) rights: Rights,
    pub(crate) sessions: Sessions,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) registry: Option<Registry>,
    /// Turns true when the server is to end: what streams ends then.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// A change that is about to be made.
pub(crate) struct Intent<'a> {
    /// `app.update`, `release.start`.
    pub(crate) action: &'static str,
    pub(crate) team: Option<&'a str>,
    /// `apps/web`.
    pub(crate) object: String,
    pub(crate) difference: Vec<FieldChange>,
}

impl Context {
    /// That somebody may do something.
    pub(crate) async fn demand(&self, caller: &Caller, act: Act<'_>) -> Reply<()> {
        self.rights.demand(&self.hub, caller, act).await
    }

    /// Whether somebody may do something.
    pub(crate) async fn is_allowed(&self, caller: &Caller, act: Act<'_>) -> Reply<bool> {
        self.rights.is_allowed(&self.hub, caller, act).await
    }

    /// Makes a change, and keeps in the audit log that it was begun and what became of it.
    pub(crate) async fn change<T>(
        &self,
        caller: &Caller,
        intent: Intent<'_>,
        work: impl Future<Output = Reply<T>>,
    ) -> Reply<T> {
        let asked = Asked {
            at: now(),
            by: caller.name.clone(),
            action: intent.action.to_owned(),
            team: intent.team.map(str::to_owned),
            object: intent.object,
            difference: intent.difference,
        };
        let number = self.audit.begin(asked).await?;
        let result = work.await;
        let (outcome, reason) = match &result {
            Ok(_) => (ChangeOutcome::Done, None),
            Err(refusal) => (ChangeOutcome::Failed, Some(refusal.detail().to_owned())),
        };
        self.audit.end(number, outcome, reason).await;
        result
    }
}

/// The time of the wall clock.
pub(crate) fn now() -> Moment {
    let since = System.now().duration_since(std::time::UNIX_EPOCH);
    let millis = i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
    Moment::from_millis(millis)
}
