//! What can go wrong in a call, and what is to be made of it.

use std::fmt;

use super::credentials::CredentialError;
use super::http::HttpError;
use crate::providers::{Call, ErrorKind, ProviderError};

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

/// What is to be made of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Too many calls: the same one later, and all of them at longer intervals.
    Throttled,
    /// Something passes, or is under way: the same call later, with back-off.
    Passing,
    /// The same call would fail again.
    Final,
}

impl Class {
    /// By the HTTP status alone (RFC 9110 §15): 429 is throttling, 408 and 425 and whatever the
    /// server blames on itself pass, the rest is final.
    pub fn of_status(status: u16) -> Self {
        match status {
            429 => Self::Throttled,
            408 | 425 | 500.. => Self::Passing,
            _ => Self::Final,
        }
    }
}

/// The class of a code that is not known, by the words that its family has in common; `None`
/// where they say nothing.
///
/// Aliyun's codes are words joined by dots, the general one first or last:
/// `Throttling.AnyApi`, `Vpc.Throttling`, `IncorrectStatus.Vpn`, `OperationConflict.RouteTable`,
/// `ServiceUnavailable.Region`, `OperationFailed.LastTokenProcessing`. Batches write theirs in
/// capitals: `VPC_ROUTE_TABLE_STATUS_ERROR`.
fn family(code: &str) -> Option<Class> {
    const THROTTLED: [&str; 5] = [
        "throttl",
        "flowcontrol",
        "toomanyrequests",
        "requestlimitexceeded",
        "ratelimit",
    ];
    const PASSING: [&str; 18] = [
        "unavailable",
        "busy",
        "internalerror",
        "internalfailure",
        "servererror",
        "timeout",
        "timedout",
        "taskconflict",
        "operationconflict",
        "resourceconflict",
        "incorrectstatus",
        "tokenprocessing",
        "inprogress",
        "distibutelock",
        "distributelock",
        "distributedlock",
        "retrylater",
        "statuserror",
    ];
    let squeezed: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let has = |words: &[&str]| words.iter().any(|word| squeezed.contains(word));
    // `IncorrectVpcStatus`, `IncorrectVpnGatewayStatus.Modifying`, and the known typo.
    let wrong_status = code.split('.').any(|word| {
        (word.starts_with("Incorrect") || word.starts_with("Incorrcet")) && word.ends_with("Status")
    });
    if has(&THROTTLED) {
        Some(Class::Throttled)
    } else if wrong_status || has(&PASSING) {
        Some(Class::Passing)
    } else {
        None
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Code {
    /// What is to be made of it, as far as the code alone tells; `None`: its HTTP status decides
    /// ([`Class::of_status`]).
    ///
    /// Sources: the error tables of CreateRouteEntry, DeleteRouteEntries and
    /// DescribeRouteEntryList (2016-04-28), and what the known clients repeat:
    /// `OperationConflict`, `SystemBusy`, `ServiceUnavailable`, `LastTokenProcessing`,
    /// `IncorrectStatus`. A code that is not known is judged by its family (`family`).
    pub fn class(&self) -> Option<Class> {
        Some(match self {
            Self::Throttling => Class::Throttled,
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
            // Signed anew, with a fresh nonce, time and token.
            | Self::NonceUsed
            | Self::TimeStampExpired
            | Self::TokenExpired
            | Self::NextTokenExpired => Class::Passing,
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
            | Self::DryRun => Class::Final,
            Self::Other(name) => return family(name),
        })
    }

    /// Whether the same call may fare better later, where there is no HTTP status to ask: an
    /// entry of a batch. A code that says nothing is final until the next round.
    pub fn is_retryable(&self) -> bool {
        self.class().is_some_and(|class| class != Class::Final)
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
#[allow(missing_docs, reason = "what a field is, its name and type say")]
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
        #[source]
        source: HttpError,
    },
    /// Nothing to sign with.
    #[error("{action}: no access key")]
    Credentials {
        /// The API's name.
        action: &'static str,
        #[source]
        source: CredentialError,
    },
}

impl CallError {
    /// Whether the same call may fare better later. See [`Code::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Api { .. } => self.class() != Class::Final,
            // A load balancer's error page comes as HTML with a 5xx.
            Self::NotJson { status, .. } => Class::of_status(*status) != Class::Final,
            Self::Http { source, .. } => source.is_retryable(),
            Self::Credentials { source, .. } => match source {
                CredentialError::Metadata(http) | CredentialError::Sts(http) => http.is_retryable(),
                CredentialError::NoRole { status, .. }
                | CredentialError::RoleRefused { status, .. } => {
                    Class::of_status(*status) != Class::Final
                }
                CredentialError::File { .. }
                | CredentialError::Token { .. }
                | CredentialError::NotOfSts { .. }
                | CredentialError::Form { .. }
                | CredentialError::Environment { .. }
                | CredentialError::Expiration { .. }
                | CredentialError::NotACredential { .. }
                | CredentialError::Expired => false,
            },
            Self::Form { .. } | Self::Pages { .. } => false,
        }
    }

    /// Whether a write may have had its effect all the same: describe before anything else.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Api { status, .. } | Self::NotJson { status, .. } => *status >= 500,
            Self::Http { source, .. } => source.is_ambiguous(),
            Self::Form { .. } => true,
            Self::Pages { .. } | Self::Credentials { .. } => false,
        }
    }

    /// What an error of the API is, by its code, and by its HTTP status where the code is not
    /// known and of no known family. What did not come from the API is final here.
    fn class(&self) -> Class {
        match self {
            Self::Api { code, status, .. } => {
                code.class().unwrap_or_else(|| Class::of_status(*status))
            }
            Self::NotJson { status, .. } => Class::of_status(*status),
            Self::Form { .. }
            | Self::Pages { .. }
            | Self::Http { .. }
            | Self::Credentials { .. } => Class::Final,
        }
    }

    /// Whether the API asks for fewer calls.
    pub fn is_throttling(&self) -> bool {
        self.class() == Class::Throttled
    }

    /// Whether a final error may be about one entry of a batch, so that the others are worth
    /// trying without it. Of a code that is not known this is assumed, unless its status or its
    /// name say that it is about the key or the request.
    pub fn concerns_entry(&self) -> bool {
        let Self::Api { code, status, .. } = self else {
            return false;
        };
        match code {
            Code::Duplicate
            | Code::BadCidr
            | Code::EntryNotFound
            | Code::NextHopNotFound
            | Code::ManagedEntry => true,
            Code::Other(name) => {
                const OF_THE_CALLER: [&str; 6] = [
                    "Forbidden",
                    "NoPermission",
                    "Unauthorized",
                    "InvalidAccessKey",
                    "InvalidSecurityToken",
                    "Signature",
                ];
                (400..500).contains(status)
                    && !matches!(status, 401 | 403)
                    && !OF_THE_CALLER.iter().any(|word| name.starts_with(word))
            }
            _ => false,
        }
    }

    /// Whether the access key is wrong or may not do this.
    fn is_authentication(&self) -> bool {
        match self {
            Self::Api { code, status, .. } => match code {
                Code::SignatureDoesNotMatch
                | Code::IncompleteSignature
                | Code::KeyNotFound
                | Code::Forbidden => true,
                Code::Other(_) => matches!(status, 401 | 403),
                _ => false,
            },
            Self::Credentials { .. } => true,
            Self::NotJson { .. } | Self::Form { .. } | Self::Pages { .. } | Self::Http { .. } => {
                false
            }
        }
    }

    /// The neutral error, for a call of that kind.
    pub fn neutral(self, call: Call) -> ProviderError {
        let kind = if self.is_throttling() {
            ErrorKind::Throttled
        } else if call == Call::Write && self.is_ambiguous() {
            ErrorKind::Ambiguous
        } else if self.is_retryable() {
            ErrorKind::Transient
        } else if self.is_authentication() {
            ErrorKind::Authentication
        } else {
            match &self {
                Self::Api {
                    code: Code::TableNotFound,
                    ..
                } => ErrorKind::TableGone,
                Self::Api { code, message, .. } if self.concerns_entry() => {
                    ErrorKind::EntryRejected {
                        code: code.as_str().to_owned(),
                        message: message.clone(),
                    }
                }
                _ => ErrorKind::Refused,
            }
        };
        ProviderError::new(kind, self)
    }

    /// A word for the metrics: the code, or what went wrong without one.
    pub fn label(&self) -> &str {
        match self {
            Self::Api { code, .. } => code.as_str(),
            Self::NotJson { .. } => "not-json",
            Self::Form { .. } | Self::Pages { .. } => "bad-answer",
            Self::Http { source, .. } if source.is_ambiguous() => "no-answer",
            Self::Http { .. } => "no-connection",
            Self::Credentials { .. } => "no-credentials",
        }
    }
}
