//! The service's codes.

use super::*;

#[test]
fn every_code_of_the_notes_is_known_and_written_as_it_was_read() {
    for name in [
        "TaskConflict",
        "IncorrectRouteEntryStatus",
        "InvalidCIDRBlock.Duplicate",
        "QuotaExceeded",
        "IncorrectVpcStatus",
        "IncorrectVSwitchStatus",
        "IncorrectInstanceStatus",
        "IncorrectStatus.RouteTableStatus",
        "InvalidRouteEntry.NotFound",
        "OperationFailed.DistibuteLock",
        "MissingParameter",
        "InvalidNexthopTypeAndList.BothNull",
        "OperationDenied.DeleteManagedRouteEntry",
        "InvalidRouteTableId.NotFound",
        "InvalidNextHopId.NotFound",
        "InternalError",
        "OperationConflict",
        "SystemBusy",
        "ServiceUnavailable",
        "LastTokenProcessing",
        "IncorrectStatus",
        "Throttling",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "SignatureNonceUsed",
        "InvalidTimeStamp.Expired",
        "InvalidAccessKeyId.NotFound",
        "InvalidSecurityToken.Expired",
        "Forbidden.RAM",
        "IllegalParam.NextToken",
        "IllegalParam.NextTokenExpired",
    ] {
        let code = Code::from(name);
        assert!(!matches!(code, Code::Other(_)), "{name}");
        assert_eq!(code.as_str(), name);
    }
    assert_eq!(Code::from("Throttling.User"), Code::Throttling);
    assert_eq!(Code::from("IncorrcetRouteEntryStatus"), Code::EntryStatus);
    assert_eq!(Code::from("Brand.New").as_str(), "Brand.New");
}

fn refused(code: &str, status: u16) -> CallError {
    CallError::Api {
        action: "Test",
        code: Code::from(code),
        message: String::new(),
        request_id: "r".into(),
        status,
    }
}

#[test]
fn a_code_that_is_not_known_is_judged_by_its_family() {
    for code in [
        "Throttling.AnythingAtAll",
        "Vpc.Throttling",
        "Throttling.Resource.User",
        "TooManyRequests",
    ] {
        let error = refused(code, 400);
        assert!(error.is_throttling() && error.is_retryable(), "{code}");
    }
    for code in [
        "ServiceUnavailable.Region",
        "ServiceTemporarilyUnavailable",
        "OperationConflict.RouteTable",
        "TaskConflict.Vpc",
        "IncorrectStatus.VpnGateway",
        "IncorrectVpnGatewayStatus",
        "OperationFailed.LastTokenProcessing",
        "SystemBusy.Later",
        "VPC_ROUTE_TABLE_STATUS_ERROR",
        "InternalError.Database",
    ] {
        let error = refused(code, 400);
        assert!(!error.is_throttling() && error.is_retryable(), "{code}");
        assert!(Code::from(code).is_retryable(), "{code}, of a batch");
    }
    for code in [
        "Brand.New",
        "InvalidParameter.NewThing",
        "OperationDenied.NotYours",
    ] {
        assert!(!refused(code, 400).is_retryable(), "{code}");
        assert!(!Code::from(code).is_retryable(), "{code}, of a batch");
    }
}

#[test]
fn a_code_of_no_known_family_is_judged_by_its_status() {
    for (status, retried, throttled) in [
        (400, false, false),
        (403, false, false),
        (404, false, false),
        (408, true, false),
        (429, true, true),
        (500, true, false),
        (503, true, false),
        (599, true, false),
    ] {
        let error = refused("Brand.New", status);
        let found = (error.is_retryable(), error.is_throttling());
        assert_eq!(found, (retried, throttled), "{status}");
    }
    // A known code keeps its meaning, whatever the status.
    assert!(!refused("QuotaExceeded", 500).is_retryable());
    assert!(refused("TaskConflict", 400).is_retryable());
}

#[test]
fn a_final_code_that_is_not_known_may_be_about_one_entry_unless_it_is_about_the_caller() {
    assert!(refused("InvalidNextHop.NewKind", 400).concerns_entry());
    assert!(refused("Brand.New", 404).concerns_entry());
    for (code, status) in [
        ("Brand.New", 403),
        ("Forbidden.SubUser", 400),
        ("SignatureNew", 400),
        ("QuotaExceeded", 400),
    ] {
        assert!(!refused(code, status).concerns_entry(), "{code}");
    }
}
