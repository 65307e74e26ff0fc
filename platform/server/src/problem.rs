//! Errors as `application/problem+json`.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flatnet_daemon::causes::chain;
use flatnet_platform_types::api::{Code, FieldProblem, Problem};

/// A refusal or a failure, on its way to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal(Box<Problem>);

pub(crate) type Reply<T> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let status =
            StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self(Box::new(Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            hint: None,
            fields: Vec::new(),
        }))
    }

    /// What to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.fields.push(FieldProblem {
            field: field.into(),
            message: message.into(),
        });
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// There is no such object.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no {what}"))
    }

    /// What the hub's API server answered to `attempt`, which completes "cannot …".
    pub(crate) fn of_hub(attempt: &str, error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::new(
                Code::HubUnreachable,
                format!(
                    "cannot {attempt}: the hub's API server does not answer: {}",
                    chain(error)
                ),
            )
            .hint("read the object before you send the request again: it may have been done");
        };
        let code = match (status.code, status.reason.as_str()) {
            (404, _) => Code::NotFound,
            (409, "AlreadyExists") => Code::AlreadyExists,
            (409, _) => Code::Conflict,
            (400 | 413 | 422, _) => Code::Invalid,
            (429 | 500..=599, _) => Code::HubUnreachable,
            _ => Code::Internal,
        };
        let mut refusal = Self::new(code, format!("cannot {attempt}: {}", status.message));
        if code == Code::Conflict {
            refusal =
                refusal.hint("somebody else changed it meanwhile: read it again, and decide anew");
        }
        if code == Code::Internal && matches!(status.code, 401 | 403) {
            refusal = refusal.hint(
                "platformd itself lacks that right on the hub: apply deploy/platform/server.yaml of its version",
            );
        }
        let causes = status.details.iter().flat_map(|d| &d.causes);
        causes.fold(refusal, |refusal, cause| {
            refusal.field(&cause.field, &cause.message)
        })
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&*self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self.0.code {
            Code::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Code::HubUnreachable | Code::AuditUnavailable | Code::TooManyRequests => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}
