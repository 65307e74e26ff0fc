//! What can go wrong in a call, and what is to be made of it.

use std::fmt;

use super::credentials::CredentialError;
use super::http::HttpError;

/// Defines [`Code`] with the names that the API uses.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $($name:literal)|+,)*) => {
        /// An error code of the API, of a batch, or of the gateway before it.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant,)*
            /// One that this version does not know.
            Other(String),
        }

        impl From<&str> for Code {
            fn from(name: &str) -> Self {
                match name {
                    $($($name)|+ => Self::$variant,)*
                    _ => Self::Other(name.to_owned()),
                }
            }
        }

        impl Code {
            /// The code as the API writes it (of several spellings, the first).
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => codes!(@first $($name)|+),)*
                    Self::Other(name) => name,
                }
            }
        }
    };
    (@first $first:literal $(| $rest:literal)*) => { $first };
}

codes! {
    /// Another change is under way in the VPC.
    TaskConflict = "TaskConflict",
    /// The same, in other words.
    OperationConflict = "OperationConflict",
    /// The entry is not Available. The documentation has both spellings.
    EntryStatus = "IncorrectRouteEntryStatus" | "IncorrcetRouteEntryStatus"
        | "VPC_ROUTE_ENTRY_STATUS_ERROR",
    /// The table is being changed.
    TableStatus = "IncorrectStatus.RouteTableStatus",
    /// The VPC is being changed.
    VpcStatus = "IncorrectVpcStatus",
    /// A vSwitch is being changed.
    VSwitchStatus = "IncorrectVSwitchStatus",
    /// The next hop's instance is in no state to be one.
    InstanceStatus = "IncorrectInstanceStatus",
    /// Something is in no state for this.
    AnyStatus = "IncorrectStatus",
    /// The API could not get its lock (sic).
    DistributedLock = "OperationFailed.DistibuteLock" | "OperationFailed.DistributeLock",
    /// The call with this token is still under way.
    LastToken = "LastTokenProcessing",
    /// Busy.
    SystemBusy = "SystemBusy",
    /// Not there just now.
    ServiceUnavailable = "ServiceUnavailable",
    /// HTTP 500.
    InternalError = "InternalError",
    /// Too many calls.
    Throttling = "Throttling" | "Throttling.User" | "Throttling.Api",
    /// The destination is there already.
    Duplicate = "InvalidCIDRBlock.Duplicate" | "InvalidRouteEntry.Duplicate"
        | "RouteConflict.AlreadyExist" | "VPC_ROUTE_ENTRY_CIDR_BLOCK_DUPLICATE",
    /// The table is full.
    QuotaExceeded = "QuotaExceeded",
    /// Not a destination that is allowed.
    BadCidr = "InvalidCidrBlock" | "InvalidCidrBlock.Malformed",
    /// No such entry.
    EntryNotFound = "InvalidRouteEntry.NotFound" | "InvalidRouteEntryId.NotFound"
        | "VPC_ROUTER_ENTRY_NOT_EXIST",
    /// No such table.
    TableNotFound = "InvalidRouteTableId.NotFound" | "InvalidRouteTable.NotFound",
    /// No such next hop.
    NextHopNotFound = "InvalidNextHopId.NotFound" | "InvalidInstanId.NotFound",
    /// A parameter is missing.
    MissingParameter = "MissingParameter",
    /// No next hop was given.
    NoNextHop = "InvalidNexthopTypeAndList.BothNull",
    /// Both an ID and a destination were given.
    ParamExclusive = "ParamExclusive.RouteEntryIdAndRouteTableIdOrDestCidrBlock",
    /// The cloud keeps this entry itself.
    ManagedEntry = "OperationDenied.DeleteManagedRouteEntry",
    /// A page's token is wrong.
    NextToken = "IllegalParam.NextToken",
    /// A page's token is too old: list again from the start.
    NextTokenExpired = "IllegalParam.NextTokenExpired",
    /// The signature is wrong: the secret is.
    SignatureDoesNotMatch = "SignatureDoesNotMatch",
    /// The signature is not whole.
    IncompleteSignature = "IncompleteSignature",
    /// The nonce was there before.
    NonceUsed = "SignatureNonceUsed",
    /// The clocks differ by more than 15 minutes.
    TimeStampExpired = "InvalidTimeStamp.Expired",
    /// No such access key.
    KeyNotFound = "InvalidAccessKeyId.NotFound",
    /// The STS token expired.
    TokenExpired = "InvalidSecurityToken.Expired",
    /// The key may not do this.
    Forbidden = "Forbidden.RAM",
    /// A dry run would have succeeded.
    DryRun = "DryRunOperation",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Code {
    /// Whether the same call may fare better later.
    ///
    /// Sources: the error tables of CreateRouteEntry, DeleteRouteEntries and
    /// DescribeRouteEntryList (2016-04-28), and what the known clients repeat:
    /// `OperationConflict`, `SystemBusy`, `ServiceUnavailable`, `LastTokenProcessing`,
    /// `IncorrectStatus`.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TaskConflict
            | Self::OperationConflict
            | Self::EntryStatus
            | Self::TableStatus
            | Self::VpcStatus
            | Self::VSwitchStatus
            | Self::InstanceStatus
            | Self::AnyStatus
            | Self::DistributedLock
            | Self::LastToken
            | Self::SystemBusy
            | Self::ServiceUnavailable
            | Self::InternalError
            | Self::Throttling
            // Signed anew, with a fresh nonce, time and token.
            | Self::NonceUsed
            | Self::TimeStampExpired
            | Self::TokenExpired
            | Self::NextTokenExpired => true,
            Self::Duplicate
            | Self::QuotaExceeded
            | Self::BadCidr
            | Self::EntryNotFound
            | Self::TableNotFound
            | Self::NextHopNotFound
            | Self::MissingParameter
            | Self::NoNextHop
            | Self::ParamExclusive
            | Self::ManagedEntry
            | Self::NextToken
            | Self::SignatureDoesNotMatch
            | Self::IncompleteSignature
            | Self::KeyNotFound
            | Self::Forbidden
            | Self::DryRun
            | Self::Other(_) => false,
        }
    }

    /// What a person can do about it; empty where nothing is known.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::SignatureDoesNotMatch | Self::IncompleteSignature => {
                "the AccessKeySecret does not belong to the AccessKeyId"
            }
            Self::KeyNotFound => "the AccessKeyId does not exist, or is of another account",
            Self::TimeStampExpired => "this machine's clock is wrong by more than 15 minutes",
            Self::Forbidden => "the key's RAM policy lacks the vpc: action on this route table",
            Self::TableNotFound => "no such route table in this region: look at the plan's IDs",
            Self::NextHopNotFound => {
                "no such next hop in this VPC: look at the plan's instance IDs"
            }
            Self::QuotaExceeded => "the table is full: delete entries or have its quota raised",
            _ => "",
        }
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API said no.
    #[error(
        "{action}: {code} (HTTP {status}, request {request_id}): {message}{}{}",
        if code.advice().is_empty() { "" } else { "; " },
        code.advice()
    )]
    Api {
        /// The API's name.
        action: &'static str,
        /// Its code.
        code: Code,
        /// Its message, without what it repeats of the request.
        message: String,
        /// What to tell Aliyun's support.
        request_id: String,
        /// The HTTP status.
        status: u16,
    },
    /// Something that is not the API answered.
    #[error(
        "{action}: HTTP {status} with {content_type} instead of JSON (`{start}`): \
         the endpoint is not Aliyun's API, or a proxy answers in its place"
    )]
    NotJson {
        /// The API's name.
        action: &'static str,
        /// The HTTP status.
        status: u16,
        /// What came instead.
        content_type: String,
        /// How the body begins.
        start: String,
    },
    /// JSON that is not the answer to this call.
    #[error("{action}: the answer is not as documented")]
    Form {
        /// The API's name.
        action: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An entry in a list that cannot be understood: nothing is decided on half a list.
    #[error("{action}: cannot understand entry {entry}: {why}")]
    Entry {
        /// The API's name.
        action: &'static str,
        /// The entry.
        entry: String,
        /// Why not.
        why: String,
    },
    /// The pages of a list do not end.
    #[error("{action}: page after page, {pages} of them, and no end")]
    Pages {
        /// The API's name.
        action: &'static str,
        /// How many were read.
        pages: usize,
    },
    /// No answer.
    #[error("{action} failed")]
    Http {
        /// The API's name.
        action: &'static str,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// Nothing to sign with.
    #[error("{action}: no access key")]
    Credentials {
        /// The API's name.
        action: &'static str,
        /// Why.
        #[source]
        source: CredentialError,
    },
}

impl CallError {
    /// Whether the same call may fare better later. See [`Code::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Api { code, status, .. } => {
                code.is_retryable() || (matches!(code, Code::Other(_)) && *status >= 500)
            }
            // A load balancer's error page comes as HTML with a 5xx.
            Self::NotJson { status, .. } => *status >= 500,
            Self::Http { source, .. } => source.is_retryable(),
            Self::Credentials { source, .. } => match source {
                CredentialError::Metadata(http) => http.is_retryable(),
                CredentialError::NoRole { status, .. } => *status >= 500,
                CredentialError::File { .. }
                | CredentialError::Form { .. }
                | CredentialError::Environment { .. }
                | CredentialError::Expiration { .. }
                | CredentialError::NotACredential { .. }
                | CredentialError::Expired => false,
            },
            Self::Form { .. } | Self::Entry { .. } | Self::Pages { .. } => false,
        }
    }

    /// Whether a write may have had its effect all the same: describe before anything else.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Api { status, .. } | Self::NotJson { status, .. } => *status >= 500,
            Self::Http { source, .. } => source.is_ambiguous(),
            Self::Form { .. } => true,
            Self::Entry { .. } | Self::Pages { .. } | Self::Credentials { .. } => false,
        }
    }

    /// Whether the API asks for fewer calls.
    pub fn is_throttling(&self) -> bool {
        matches!(
            self,
            Self::Api {
                code: Code::Throttling,
                ..
            }
        )
    }

    /// A word for the metrics: the code, or what went wrong without one.
    pub fn label(&self) -> &str {
        match self {
            Self::Api { code, .. } => code.as_str(),
            Self::NotJson { .. } => "not-json",
            Self::Form { .. } | Self::Entry { .. } | Self::Pages { .. } => "bad-answer",
            Self::Http { source, .. } if source.is_ambiguous() => "no-answer",
            Self::Http { .. } => "no-connection",
            Self::Credentials { .. } => "no-credentials",
        }
    }
}
