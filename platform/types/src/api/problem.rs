//! Errors (RFC 9457).

use serde::{Deserialize, Serialize};

/// Why a request was refused or failed: `application/problem+json`, RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `about:blank`: the code says which problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// For programs.
    pub code: Code,
    /// What was attempted, on what, and what came back, for people.
    pub detail: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What is wrong with single fields of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldProblem>,
}

/// What is wrong with a field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FieldProblem {
    /// Its path, as in `spec.placement.locations[0].name`.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// Which problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request cannot be read: no JSON, a field of another type, an unknown field, a parameter.
    BadRequest,
    /// A field's value is refused by a rule.
    Invalid,
    /// There are no credentials, or they are not valid (any more).
    Unauthenticated,
    /// Who asks may not do that.
    Forbidden,
    /// There is no such object or path.
    NotFound,
    /// There is no such method at that path.
    MethodNotAllowed,
    /// An object of that name is there already.
    AlreadyExists,
    /// The object has changed since the version that the request names.
    Conflict,
    /// The idempotency key was used for another request.
    KeyReused,
    /// The state of the object does not allow that.
    WrongState,
    /// There is no room for that many instances.
    NoRoom,
    /// Too many attempts.
    TooManyRequests,
    /// The request's body is too long or too slow.
    BodyRefused,
    /// A member cluster cannot be asked, or refuses.
    MemberFailed,
    /// The hub's API server does not answer. Nothing was changed, or what was is told by reading the object.
    HubUnreachable,
    /// The audit log cannot be written, and nothing is changed without it.
    AuditUnavailable,
    /// A fault of the server.
    Internal,
}

impl Code {
    /// The HTTP status (RFC 9110 §15).
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::AlreadyExists | Self::Conflict | Self::WrongState | Self::NoRoom => 409,
            Self::BodyRefused => 413,
            Self::Invalid | Self::KeyReused => 422,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::MemberFailed => 502,
            Self::HubUnreachable | Self::AuditUnavailable => 503,
        }
    }
}
