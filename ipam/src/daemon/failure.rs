//! Errors that are answered.

use axum::Json;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flatnet_types::ipamd::ErrorBody;

use crate::assign::ServiceError;

/// The code of an ipamd that stands by.
const STANDBY: &str = "standby";

/// An error response.
pub(crate) struct Failure {
    pub(super) status: StatusCode,
    body: ErrorBody,
}

impl Failure {
    /// Another one serves, or will soon.
    pub(crate) fn standby(message: String) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            body: ErrorBody {
                code: STANDBY.to_owned(),
                message,
                retryable: true,
            },
        }
    }

    #[cfg(test)]
    pub(super) fn body(&self) -> &ErrorBody {
        &self.body
    }

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
        let closes = self.body.code == STANDBY;
        let mut response = (self.status, Json(self.body)).into_response();
        if closes {
            // The next connection may lead to the one that serves.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
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
