//! What this process is: the one that writes the ledger, or one that stands by.

use axum::http::StatusCode;
use tokio::sync::watch;

use super::failure::Failure;
use crate::assign::Service;

/// What this process is. Without an election it leads from its start.
#[derive(Debug, Clone)]
pub(crate) enum Role {
    /// It has not found out yet, or reads the ledger.
    Starting,
    /// Another one leads.
    Standby {
        /// Who; `None`: nobody does, or it is not known yet.
        leader: Option<String>,
    },
    /// It leads.
    Leads(Service),
}

/// The role, watched.
pub(crate) type Roles = watch::Receiver<Role>;

impl Role {
    /// The ledger's service.
    ///
    /// # Errors
    /// 503 with the code `standby` and who leads: the caller connects again, to whoever that is.
    pub(crate) fn service(&self) -> Result<&Service, Failure> {
        let message = match self {
            Self::Leads(service) => return Ok(service),
            Self::Starting => "this ipamd has just started, and does not serve yet".to_owned(),
            Self::Standby { leader: None } => {
                "this ipamd stands by, and nobody leads yet: try again".to_owned()
            }
            Self::Standby {
                leader: Some(leader),
            } => format!("this ipamd stands by: {leader} leads. Connect again"),
        };
        Err(Failure::standby(message))
    }

    /// Whether it is what it is to be, and the words for that: `GET /readyz`. A standby that knows who leads is
    /// ready, for there is nothing more that it could be.
    pub(crate) fn readiness(&self) -> (StatusCode, String) {
        match self {
            Self::Leads(_) => (StatusCode::OK, "leads\n".to_owned()),
            Self::Standby {
                leader: Some(leader),
            } => (StatusCode::OK, format!("stands by: {leader} leads\n")),
            Self::Standby { leader: None } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "stands by, and nobody leads yet\n".to_owned(),
            ),
            Self::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starts\n".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_is_ready_once_it_knows_who_leads_and_answers_that() {
        let unknown = Role::Standby { leader: None };
        assert_eq!(unknown.readiness().0, StatusCode::SERVICE_UNAVAILABLE);
        let starts = Role::Starting;
        assert_eq!(starts.readiness().0, StatusCode::SERVICE_UNAVAILABLE);
        let standby = Role::Standby {
            leader: Some("ipamd-0".to_owned()),
        };
        assert_eq!(standby.readiness().0, StatusCode::OK);
        let refused = standby.service().expect_err("it stands by");
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        let body = refused.body();
        assert_eq!(body.code, "standby");
        assert!(body.retryable && body.message.contains("ipamd-0 leads"));
    }
}
