//! Errors that are answered.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use flatnet_types::ipamd::ErrorBody;

use crate::assign::ServiceError;

/// An error response.
pub(crate) struct Failure {
    pub(super) status: StatusCode,
    body: ErrorBody,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody {
                code: code.to_owned(),
                message: message.into(),
                retryable: false,
            },
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<ServiceError> for Failure {
    fn from(e: ServiceError) -> Self {
        let status = match e.code() {
            "unknownHost" | "unknownNetwork" | "noLease" => StatusCode::NOT_FOUND,
            "notSliced" => StatusCode::UNPROCESSABLE_ENTITY,
            "settling" | "store" | "stopping" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        Self {
            status,
            body: ErrorBody {
                code: e.code().to_owned(),
                message: e.to_string(),
                retryable: e.is_retryable(),
            },
        }
    }
}
