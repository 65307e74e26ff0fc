//! Listings and writes, and what comes back instead.

use super::*;

fn page(entries: &str, token: &str) -> String {
    format!(
        "{{\"RequestId\":\"r\",\"NextToken\":\"{token}\",\"RouteEntrys\":{{\"RouteEntry\":[{entries}]}}}}"
    )
}

const STATIC: &str = r#"{"RouteEntryId":"rte-1","DestinationCidrBlock":"10.0.0.1","Status":"Available",
 "Type":"Custom","RouteEntryName":"flatnet:prod:1:a","NextHops":{"NextHop":[
 {"NextHopId":"i-1","NextHopType":"Instance","Weight":0}]}}"#;
const EQUAL: &str = r#"{"RouteEntryId":"rte-2","DestinationCidrBlock":"fd00::/64","Status":"Pending",
 "Type":"Custom","NextHops":{"NextHop":[{"NextHopId":"b","NextHopType":"RouterInterface","Weight":100},
 {"NextHopId":"a","NextHopType":"RouterInterface","Weight":100}]}}"#;
const SYSTEM: &str = r#"{"RouteEntryId":"rte-3","DestinationCidrBlock":"100.64.0.0/10","Status":"Available",
 "Type":"System","NextHops":{"NextHop":[{"NextHopId":"","NextHopType":"local"}]}}"#;

#[tokio::test]
async fn a_table_is_listed_page_by_page() {
    let (one, two) = (page(&format!("{STATIC},{SYSTEM}"), "next"), page(EQUAL, ""));
    for signature in [SignatureVersion::V1, SignatureVersion::V3] {
        let server = Scripted::new(&[(200, JSON, &one), (200, JSON, &two)]).await;
        let client = server.client(Source::Static(credential("k")), signature);
        let entries = client.list(&table()).await.unwrap().entries;
        assert_eq!(entries[0].destination, "10.0.0.1/32".parse().unwrap());
        assert_eq!(
            entries[0].next_hops,
            NextHops::one(NextHopKind::Instance, "i-1")
        );
        assert_eq!(entries[1].kind, EntryKind::System);
        assert_eq!(
            (entries[2].status, entries[2].next_hops.iter().len()),
            (Status::Pending, 2)
        );
        let heads = server.heads();
        assert!(heads[0].contains("MaxResult=100") && heads[0].contains("RegionId=cn-test"));
        assert!(!heads[0].contains("NextToken") && heads[1].contains("NextToken=next"));
    }
}

#[tokio::test]
async fn half_a_list_is_no_list() {
    for answer in [
        "{}",
        r#"{"RouteEntrys":7}"#,
        r#"{"RouteEntrys":{"RouteEntry":"x"}}"#,
    ] {
        let server = Scripted::new(&[(200, JSON, answer)]).await;
        let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
        let error = client.list(&table()).await.unwrap_err();
        assert!(matches!(error, CallError::Form { .. }), "{answer}: {error}");
    }
    let server = Scripted::new(&[(200, JSON, &page(STATIC, "next"))]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
    assert!(client.list(&table()).await.unwrap_err().is_retryable());
}

#[tokio::test]
async fn a_page_of_html_is_named_as_what_it_is() {
    for (status, retry) in [(200, false), (502, true)] {
        let html = "<html><body>Sign in to the portal</body></html>";
        let server = Scripted::new(&[(status, "text/html", html)]).await;
        let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
        let error = client.list(&table()).await.unwrap_err();
        assert_eq!(error.is_retryable(), retry);
        let text = error.to_string();
        assert!(
            text.contains("text/html instead of JSON") && text.contains("a proxy"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_refused_signature_does_not_repeat_the_token() {
    let body = r#"{"RequestId":"r-1","Code":"SignatureDoesNotMatch","Message":
     "Specified signature is not matched. server string to sign is:POST&SecurityToken=sts-token"}"#;
    let server = Scripted::new(&[(400, JSON, body)]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V1);
    let error = client.list(&table()).await.unwrap_err();
    assert!(!error.is_retryable());
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("r-1") && text.contains("AccessKeySecret does not belong"),
        "{text}"
    );
    assert!(
        !text.contains("sts-token") && !text.contains("top-secret"),
        "{text}"
    );
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_corrected_by_the_answer() {
    let late = r#"{"RequestId":"r","Code":"InvalidTimeStamp.Expired","Message":"late"}"#;
    let server = Scripted::new(&[(400, JSON, late), (200, JSON, &page("", ""))]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
    assert_eq!(client.list(&table()).await.unwrap().entries, []);
    let heads = server.heads();
    assert!(heads[0].contains("2023-11-14T22:13:20Z"), "{}", heads[0]);
    assert!(heads[1].contains("2023-11-14T23:13:20Z"), "{}", heads[1]);
}

#[tokio::test]
async fn a_connection_that_is_cut_leaves_a_write_in_doubt() {
    let server = Scripted::new(&[]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
    let error = client
        .write(&table(), &[create("10.0.0.0/24", &["i-1"])])
        .await
        .unwrap_err();
    assert!(error.is_ambiguous() && error.is_retryable(), "{error:?}");
    let nobody = Scripted {
        address: "http://127.0.0.1:1".into(),
        heads: Arc::default(),
    };
    let client = nobody.client(Source::Static(credential("k")), SignatureVersion::V3);
    let error = client.list(&table()).await.unwrap_err();
    assert!(!error.is_ambiguous() && error.is_retryable(), "{error:?}");
    assert!(!format!("{error:?}").contains("Signature"), "{error:?}");
}

fn create(destination: &str, hops: &[&str]) -> Op {
    let hops = hops.iter().map(|id| NextHop {
        kind: NextHopKind::Instance,
        id: (*id).into(),
        weight: 0,
    });
    Op::Create {
        destination: destination.parse().unwrap(),
        next_hops: NextHops::new(hops.collect()).unwrap(),
        name: "flatnet:prod:1:n".into(),
        why: CreateReason::New,
    }
}

#[tokio::test]
async fn the_failures_of_a_batch_are_told_by_destination_and_next_hop() {
    let body = r#"{"RequestId":"r","SuccessCount":1,"FailedCount":1,"RouteEntryIds":["rte-1"],
     "FailedRouteEntries":[{"DstCidrBlock":"10.0.1.0/24","NextHop":"i-1",
     "FailedCode":"VPC_ROUTE_ENTRY_CIDR_BLOCK_DUPLICATE","FailedMessage":"there"}]}"#;
    let server = Scripted::new(&[(200, JSON, body)]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
    let ops = [
        create("10.0.0.0/24", &["i-1"]),
        create("10.0.1.0/24", &["i-1"]),
    ];
    let failed = client.write(&table(), &ops).await.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].destination, Some("10.0.1.0/24".parse().unwrap()));
    assert_eq!(
        (failed[0].next_hop.as_str(), &failed[0].code),
        ("i-1", &Code::Duplicate)
    );
    let head = server.heads().remove(0);
    for part in [
        "x-acs-action: CreateRouteEntries",
        "RouteEntries.2.DstCidrBlock=10.0.1.0%2F24",
    ] {
        assert!(head.contains(part), "{head}");
    }
}

#[tokio::test]
async fn equal_cost_entries_are_made_alone_and_deleted_by_their_id() {
    let done = r#"{"RequestId":"r","RouteEntryId":"rte-1"}"#;
    let server = Scripted::new(&[(200, JSON, done), (200, JSON, done)]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
    client
        .write(&table(), &[create("10.0.0.0/24", &["i-1", "i-2"])])
        .await
        .unwrap();
    let delete = Op::Delete {
        destination: "10.0.0.0/24".parse().unwrap(),
        next_hops: NextHops::one(NextHopKind::Instance, "i-1"),
        id: Some("rte-1".into()),
        why: DeleteReason::Orphan,
    };
    client.write(&table(), &[delete]).await.unwrap();
    let heads = server.heads();
    assert!(
        heads[0].contains("CreateRouteEntry\r\n")
            && heads[0].contains("NextHopList.2.NextHopId=i-2")
    );
    assert!(
        heads[1].contains("RouteEntries.1.RouteEntryId=rte-1") && !heads[1].contains("DstCidr")
    );
}

#[tokio::test]
async fn pages_without_an_end_and_pages_that_are_too_large_are_refused() {
    let same = page(STATIC, "again");
    let server = Scripted::new(&[(200, JSON, &same), (200, JSON, &same), (200, JSON, &same)]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
    let error = client.list(&table()).await.unwrap_err();
    assert!(
        matches!(error, CallError::Pages { pages: 2, .. }),
        "{error}"
    );
    assert_eq!(server.heads().len(), 2, "it is not asked again");

    let entries = vec!["{}"; 100_001].join(",");
    let server = Scripted::new(&[(200, JSON, &page(&entries, ""))]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
    let error = client.list(&table()).await.unwrap_err();
    assert!(
        matches!(error, CallError::Pages { pages: 1, .. }),
        "{error}"
    );

    let long = format!("{{\"RequestId\":\"{}\"}}", "x".repeat(9 << 20));
    let server = Scripted::new(&[(200, JSON, &long)]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
    assert!(client.list(&table()).await.unwrap_err().is_retryable());

    let deep = page(&"[".repeat(100_000), "");
    let server = Scripted::new(&[(200, JSON, &deep)]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
    assert!(client.list(&table()).await.is_err());
}
