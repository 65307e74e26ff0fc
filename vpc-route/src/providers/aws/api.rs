//! EC2's Query API as far as route tables go: parameters by name, and what comes back.

use crate::providers::{Call, ErrorKind, ProviderError};

/// Parameters by name, as in the query.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// One route, as `DescribeRouteTables` lists it. Absent elements are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) destination_cidr_block: Option<String>,
    pub(super) destination_ipv6_cidr_block: Option<String>,
    pub(super) destination_prefix_list_id: Option<String>,
    pub(super) gateway_id: Option<String>,
    pub(super) instance_id: Option<String>,
    pub(super) network_interface_id: Option<String>,
    pub(super) nat_gateway_id: Option<String>,
    pub(super) transit_gateway_id: Option<String>,
    /// `CreateRouteTable` (the local route), `CreateRoute` or `EnableVgwRoutePropagation`.
    pub(super) origin: String,
}

/// A route table, as `DescribeRouteTables` lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RouteTable {
    pub(super) route_table_id: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) routes: Vec<Route>,
}

/// An answer that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Of `DescribeRouteTables`.
    Tables(Vec<RouteTable>),
    /// `<return>true</return>`.
    Done,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ec2Error {
    /// The API refused it.
    #[error("{action}: {code} (HTTP {status}): {message}")]
    Api {
        action: &'static str,
        code: &'static str,
        status: u16,
        message: String,
    },
    /// The connection broke after the request may have been sent.
    #[error("{action}: no answer")]
    NoAnswer { action: &'static str },
}

impl Ec2Error {
    /// The code; empty where there was no answer.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Api { code, .. } => code,
            Self::NoAnswer { .. } => "",
        }
    }

    /// The neutral error, for a call of that kind. Source: the table of client and server error
    /// codes in the EC2 API reference.
    pub(super) fn neutral(self, call: Call) -> ProviderError {
        let in_doubt = match call {
            Call::Write => ErrorKind::Ambiguous,
            Call::List => ErrorKind::Transient,
        };
        let kind = match &self {
            Self::NoAnswer { .. } => in_doubt,
            Self::Api {
                code,
                status,
                message,
                ..
            } => match *code {
                "RequestLimitExceeded" | "Throttling" => ErrorKind::Throttled,
                "InvalidRouteTableID.NotFound" => ErrorKind::TableGone,
                "AuthFailure" | "UnauthorizedOperation" | "SignatureDoesNotMatch" => {
                    ErrorKind::Authentication
                }
                "InvalidInstanceID.NotFound"
                | "InvalidGatewayID.NotFound"
                | "InvalidNetworkInterfaceID.NotFound"
                | "InvalidTransitGatewayID.NotFound"
                | "InvalidParameterValue" => ErrorKind::EntryRejected {
                    code: (*code).to_owned(),
                    message: message.clone(),
                },
                _ if *status >= 500 => in_doubt,
                _ => ErrorKind::Refused,
            },
        };
        ProviderError::new(kind, self)
    }
}
