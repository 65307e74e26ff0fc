//! What the API answers when it refuses: code, HTTP status, message.

use thiserror::Error;

/// A refusal of the API. `Display` is the answer's `Message`.
///
/// Codes and statuses are those of `docs/aliyun-sim.md`, which also says which of them are
/// guesses. The two misspelt codes are spelt as the service spells them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApiError {
    /// The dry run found nothing wrong. The service reports this success as an error.
    #[error("Request validation has been passed with DryRun flag set.")]
    DryRunOperation,
    /// A parameter is absent.
    #[error(
        "The input parameter {0} that is mandatory for processing this request is not supplied."
    )]
    MissingParameter(&'static str),
    /// A parameter has a value that it cannot have; the code is `IllegalParam.` and its name.
    #[error("The specified parameter {0} is illegal.")]
    IllegalParam(&'static str),
    /// The page token is not one of this listing.
    #[error("The specified NextToken is illegal.")]
    IllegalNextToken,
    /// The page token is too old.
    #[error("The specified NextToken has expired.")]
    NextTokenExpired,
    /// Both ways to name an entry at once.
    #[error("RouteEntryId and RouteTableId or DestinationCidrBlock are exclusive.")]
    ExclusiveEntryAndTable,
    /// Neither a next hop nor a list of them.
    #[error("NextHopType and NextHopList can not both be null.")]
    NextHopTypeAndListNull,
    /// An unstable entry, or the VPC's writer is busy.
    #[error("The operation is too frequent, please wait a moment and try again.")]
    TaskConflict,
    /// The entry itself is not Available.
    #[error("The status of the specified route entry {0} does not support this operation.")]
    IncorrectRouteEntryStatus(String),
    /// The VPC is not Available.
    #[error("The status of the VPC {0} does not support this operation.")]
    IncorrectVpcStatus(String),
    /// A vSwitch of the VPC is not Available.
    #[error("The status of the vSwitch {0} does not support this operation.")]
    IncorrectVSwitchStatus(String),
    /// The instance is not Running.
    #[error("The status of the instance {0} does not support this operation.")]
    IncorrectInstanceStatus(String),
    /// The route table is not Available.
    #[error("The status of the route table {0} does not support this operation.")]
    IncorrectRouteTableStatus(String),
    /// Another entry has the destination, with another next hop.
    #[error("The specified CIDR block {0} already exists.")]
    CidrDuplicate(String),
    /// Another entry has the destination and the next hop.
    #[error("The specified route entry {0} already exists.")]
    EntryDuplicate(String),
    /// The same, in a VBR's table.
    #[error("The specified destination {0} and next hop already exist.")]
    VbrDuplicate(String),
    /// A system entry has the destination.
    #[error("The route {0} conflicts with a route that already exists.")]
    RouteConflict(String),
    /// The table is full.
    #[error("The maximum number of custom route entries in route table {table} is {quota}.")]
    QuotaExceeded {
        /// ID of the route table, `vtb-…`.
        table: String,
        /// How many custom entries the table may hold.
        quota: usize,
    },
    /// The destination is not allowed.
    #[error("The specified CIDR block {0} is not valid.")]
    InvalidCidrBlock(String),
    /// The destination cannot be read, or has host bits.
    #[error("The specified CIDR block {0} is malformed.")]
    MalformedCidrBlock(String),
    /// There is no such table.
    #[error("The specified route table {0} does not exist.")]
    RouteTableNotFound(String),
    /// The same, in a listing of entries, which has a code of its own.
    #[error("The specified route table {0} does not exist.")]
    ListedTableNotFound(String),
    /// There is no such entry, asked for by its ID.
    #[error("The specified route entry {0} does not exist.")]
    EntryIdNotFound(String),
    /// There is no such entry, asked for by table, destination and next hop.
    #[error("The specified route entry {0} does not exist.")]
    EntryNotFound(String),
    /// There is no such next hop.
    #[error("The specified next hop {0} does not exist.")]
    NextHopNotFound(String),
    /// There is no such VPC, router or instance.
    #[error("The specified instance {0} does not exist.")]
    InstanceNotFound(String),
    /// The service keeps the entry itself.
    #[error("The route entry {0} is managed by the service and can not be changed.")]
    ManagedEntry(String),
    /// There is no such region here.
    #[error("The specified RegionId {0} does not exist.")]
    RegionNotFound(String),
    /// The client token came with other parameters before.
    #[error("The specified ClientToken was used with different parameters.")]
    IdempotentParameterMismatch,
    /// The call does not exist.
    #[error("Specified api is not found, please check your url and method.")]
    ActionNotFound,
    /// The version is not this product's.
    #[error("Specified parameter Version is not valid.")]
    InvalidVersion,
    /// The format is neither JSON nor XML.
    #[error("Specified parameter Format is not valid.")]
    InvalidFormat,
    /// The request has no key.
    #[error("AccessKeyId is mandatory for this action.")]
    MissingAccessKeyId,
    /// There is no such key.
    #[error("Specified access key is not found.")]
    AccessKeyNotFound,
    /// The key is switched off.
    #[error("Specified access key is disabled.")]
    AccessKeyInactive,
    /// A part of the signature is missing or not understood.
    #[error("The request signature does not conform to Aliyun standards. {0}")]
    IncompleteSignature(&'static str),
    /// The signature is not that of the secret.
    #[error(
        "Specified signature is not matched with our calculation. server string to sign is:{0}"
    )]
    SignatureDoesNotMatch(String),
    /// The nonce came before.
    #[error("Specified signature nonce was used already.")]
    SignatureNonceUsed,
    /// The time cannot be read.
    #[error("Specified time stamp or date value is not well formatted.")]
    TimestampFormat,
    /// The request is too old, or from the future.
    #[error("Specified time stamp or date value is expired.")]
    TimestampExpired,
    /// The token is not that of the key.
    #[error("Specified SecurityToken is not matched with AccessKeyId.")]
    TokenMismatch,
    /// The token is too old.
    #[error("Specified SecurityToken is expired.")]
    TokenExpired,
    /// The key may not do this.
    #[error(
        "User not authorized to operate on the specified resource, or this API doesn't support RAM."
    )]
    ForbiddenRam,
    /// Too many calls; the variant of the code tells by what count.
    #[error("Request was denied due to request throttling.")]
    Throttling(Throttle),
    /// Set by a fault: any code with any status.
    #[error("{message}")]
    Injected {
        /// HTTP status.
        status: u16,
        /// The answer's `Code`.
        code: String,
        /// The answer's `Message`.
        message: String,
    },
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// All calls of the service.
    Service,
    /// The calls of the user.
    User,
    /// The user's calls of one API.
    Api,
}

impl ApiError {
    /// The answer's `Code`.
    pub fn code(&self) -> String {
        let code = match self {
            Self::DryRunOperation => "DryRunOperation",
            Self::MissingParameter(_) => "MissingParameter",
            Self::IllegalParam(name) => return format!("IllegalParam.{name}"),
            Self::IllegalNextToken => "IllegalParam.NextToken",
            Self::NextTokenExpired => "IllegalParam.NextTokenExpired",
            Self::ExclusiveEntryAndTable => {
                "ParamExclusive.RouteEntryIdAndRouteTableIdOrDestCidrBlock"
            }
            Self::NextHopTypeAndListNull => "InvalidNexthopTypeAndList.BothNull",
            Self::TaskConflict => "TaskConflict",
            Self::IncorrectRouteEntryStatus(_) => "IncorrectRouteEntryStatus",
            Self::IncorrectVpcStatus(_) => "IncorrectVpcStatus",
            Self::IncorrectVSwitchStatus(_) => "IncorrectVSwitchStatus",
            Self::IncorrectInstanceStatus(_) => "IncorrectInstanceStatus",
            Self::IncorrectRouteTableStatus(_) => "IncorrectStatus.RouteTableStatus",
            Self::CidrDuplicate(_) => "InvalidCIDRBlock.Duplicate",
            Self::EntryDuplicate(_) => "InvalidRouteEntry.Duplicate",
            Self::VbrDuplicate(_) => "Duplicated.VpcNextHop",
            Self::RouteConflict(_) => "RouteConflict.AlreadyExist",
            Self::QuotaExceeded { .. } => "QuotaExceeded",
            Self::InvalidCidrBlock(_) => "InvalidCidrBlock",
            Self::MalformedCidrBlock(_) => "InvalidCidrBlock.Malformed",
            Self::RouteTableNotFound(_) => "InvalidRouteTableId.NotFound",
            Self::ListedTableNotFound(_) => "InvalidRouteTable.NotFound",
            Self::EntryIdNotFound(_) => "InvalidRouteEntryId.NotFound",
            Self::EntryNotFound(_) => "InvalidRouteEntry.NotFound",
            Self::NextHopNotFound(_) => "InvalidNextHopId.NotFound",
            Self::InstanceNotFound(_) => "InvalidInstanId.NotFound",
            Self::ManagedEntry(_) => "OperationDenied.DeleteManagedRouteEntry",
            Self::RegionNotFound(_) => "InvalidRegionId.NotFound",
            Self::IdempotentParameterMismatch => "IdempotentParameterMismatch",
            Self::ActionNotFound => "InvalidAction.NotFound",
            Self::InvalidVersion => "InvalidVersion",
            Self::InvalidFormat => "InvalidFormat",
            Self::MissingAccessKeyId => "MissingAccessKeyId",
            Self::AccessKeyNotFound => "InvalidAccessKeyId.NotFound",
            Self::AccessKeyInactive => "InvalidAccessKeyId.Inactive",
            Self::IncompleteSignature(_) => "IncompleteSignature",
            Self::SignatureDoesNotMatch(_) => "SignatureDoesNotMatch",
            Self::SignatureNonceUsed => "SignatureNonceUsed",
            Self::TimestampFormat => "InvalidTimeStamp.Format",
            Self::TimestampExpired => "InvalidTimeStamp.Expired",
            Self::TokenMismatch => "InvalidSecurityToken.MismatchWithAccessKey",
            Self::TokenExpired => "InvalidSecurityToken.Expired",
            Self::ForbiddenRam => "Forbidden.RAM",
            Self::Throttling(Throttle::Service) => "Throttling",
            Self::Throttling(Throttle::User) => "Throttling.User",
            Self::Throttling(Throttle::Api) => "Throttling.Api",
            Self::Injected { code, .. } => return code.clone(),
        };
        code.to_owned()
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::RouteTableNotFound(_)
            | Self::ListedTableNotFound(_)
            | Self::NextHopNotFound(_)
            | Self::InstanceNotFound(_)
            | Self::RegionNotFound(_)
            | Self::ActionNotFound
            | Self::AccessKeyNotFound => 404,
            Self::ForbiddenRam => 403,
            Self::Injected { status, .. } => *status,
            _ => 400,
        }
    }

    /// The `FailedCode` of an item of a batch. Three are documented; the others are the
    /// codes of the single call (a guess).
    pub fn batch_code(&self) -> String {
        match self {
            Self::CidrDuplicate(_) | Self::EntryDuplicate(_) | Self::VbrDuplicate(_) => {
                "VPC_ROUTE_ENTRY_CIDR_BLOCK_DUPLICATE".to_owned()
            }
            Self::IncorrectRouteEntryStatus(_) => "VPC_ROUTE_ENTRY_STATUS_ERROR".to_owned(),
            Self::EntryIdNotFound(_) | Self::EntryNotFound(_) => {
                "VPC_ROUTER_ENTRY_NOT_EXIST".to_owned()
            }
            other => other.code(),
        }
    }
}
