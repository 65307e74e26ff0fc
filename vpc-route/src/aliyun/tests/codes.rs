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
