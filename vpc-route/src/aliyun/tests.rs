use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::credentials::from_environment;
use super::encode::{canonical_query, encode};
use super::sign::{Call, sign, v1_signature, v3_signature};
use super::*;
use crate::ambient::Ambient;
use crate::diff::{CreateReason, DeleteReason, Op};
use crate::model::{EntryKind, NextHop, NextHopKind, NextHops, Status, TableId};

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn credential(id: &str) -> Credential {
    Credential {
        key_id: id.into(),
        secret: Secret::new("top-secret"),
        token: Some(Secret::new("sts-token")),
        expires: None,
    }
}

/// A clock that stands still, and dice that count.
struct Still(Mutex<u128>);

impl Ambient for Still {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn random(&self) -> u128 {
        let mut n = self.0.lock().unwrap();
        *n += 1;
        *n
    }
}

/// Answers requests in turn, and keeps their heads.
struct Scripted {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn new(answers: &[(u16, &str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut answers: VecDeque<String> = answers
            .iter()
            .map(|(status, kind, body)| {
                format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
                     date: Tue, 14 Nov 2023 23:13:20 GMT\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
            })
            .collect();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match socket.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                kept.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&head).into_owned());
                // Without an answer left the connection is cut.
                if let Some(answer) = answers.pop_front() {
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn client(&self, source: Source, signature: SignatureVersion) -> Client {
        let config = ClientConfig {
            endpoint: self.address.clone(),
            region: "cn-test".into(),
            signature,
        };
        let http = Http::new(Duration::from_secs(2)).unwrap();
        let still = Arc::new(Still(Mutex::new(0)));
        Client::new(config, http, Credentials::new(source), still)
    }
}

const JSON: &str = "application/json";

fn table() -> TableId {
    TableId("vtb-1".into())
}

#[test]
fn the_first_signature_agrees_with_the_published_vectors() {
    let mut parameters = pairs(&[
        ("Action", "DescribeRegions"),
        ("Format", "XML"),
        ("Version", "2014-05-26"),
        ("AccessKeyId", "testid"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureVersion", "1.0"),
        ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
        ("TimeStamp", "2016-02-23T12:46:24Z"),
    ]);
    let published = v1_signature("GET", &parameters, "testsecret");
    assert_eq!(published, "CT9X0VtwR86fNWSnsc6v8YGOjuE=");
    parameters[7].0 = "Timestamp".into();
    let real = v1_signature("GET", &parameters, "testsecret");
    assert_eq!(real, "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
}

#[test]
fn the_third_signature_agrees_with_the_published_vector() {
    let query = canonical_query(&pairs(&[
        ("RegionId", "cn-shanghai"),
        (
            "ImageId",
            "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
        ),
    ]));
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let mut headers = [
        ("x-acs-version", "2014-05-26"),
        ("host", "ecs.cn-shanghai.aliyuncs.com"),
        ("x-acs-action", "RunInstances"),
        ("x-acs-content-sha256", empty),
        ("x-acs-date", "2023-10-26T10:22:32Z"),
        ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
    ];
    let secret = Secret::new("YourAccessKeySecret");
    assert_eq!(
        v3_signature("POST", &query, &mut headers, empty, &secret),
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    );
}

#[test]
fn a_security_token_is_sent_and_signed() {
    let parameters = pairs(&[("RouteTableId", "vtb-1")]);
    let call = Call {
        host: "vpc.aliyuncs.com",
        action: "DescribeRouteEntryList",
        version: "2016-04-28",
        parameters: &parameters,
        timestamp: "2023-10-26T10:22:32Z",
        nonce: "n",
    };
    let v1 = sign(SignatureVersion::V1, &call, &credential("k"));
    assert!(v1.query.contains("SecurityToken=sts-token") && v1.query.contains("SignatureType=&"));
    let v3 = sign(SignatureVersion::V3, &call, &credential("k"));
    let authorization = &v3
        .headers
        .iter()
        .find(|(k, _)| *k == "authorization")
        .unwrap()
        .1;
    assert!(authorization.contains("x-acs-security-token"));
    assert!(!authorization.contains("sts-token"));
}

#[test]
fn words_are_encoded_as_the_signatures_want_them() {
    assert_eq!(encode("a b*c~d/é"), "a%20b%2Ac~d%2F%C3%A9");
}

proptest! {
    #[test]
    fn the_order_of_parameters_does_not_change_a_signature(
        mut parameters in prop::collection::vec((".{0,8}", ".{0,8}"), 0..8),
    ) {
        let one = v1_signature("POST", &parameters, "s");
        parameters.reverse();
        prop_assert_eq!(one, v1_signature("POST", &parameters, "s"));
    }
}

#[test]
fn a_secret_does_not_show_in_debug_output() {
    let shown = format!("{:?}", credential("key-id"));
    assert!(shown.contains("key-id"));
    assert!(!shown.contains("top-secret") && !shown.contains("sts-token"));
}

#[test]
fn the_environment_is_named_where_it_lacks_something() {
    let error = from_environment(|_| None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the environment has no ALIBABA_CLOUD_ACCESS_KEY_ID"
    );
    let found = from_environment(|name| Some(name.to_lowercase())).unwrap();
    assert_eq!(found.secret.expose(), "alibaba_cloud_access_key_secret");
}

#[tokio::test]
async fn a_key_file_that_is_wrong_is_named_and_not_repeated() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "{\"accessKeyId\": \"id\", \"accessKeySecret\": s3cr3t}",
    )
    .unwrap();
    let credentials = Credentials::new(Source::File(file.path().to_owned()));
    let error = credentials.get(SystemTime::now()).await.unwrap_err();
    assert!(error.to_string().contains("line 1"), "{error}");
    assert!(!format!("{error:?}").contains("s3cr3t"));
    std::fs::write(
        file.path(),
        "{\"accessKeyId\": \"id\", \"accessKeySecret\": \"s3cr3t\"}",
    )
    .unwrap();
    assert_eq!(
        credentials.get(SystemTime::now()).await.unwrap().key_id,
        "id"
    );
}

fn role(expires: &str, id: &str) -> String {
    format!(
        "{{\"Code\":\"Success\",\"AccessKeyId\":\"{id}\",\"AccessKeySecret\":\"s\",\
         \"SecurityToken\":\"t\",\"Expiration\":\"{expires}\"}}"
    )
}

fn instance(server: &Scripted) -> Credentials {
    let http = Http::new(Duration::from_secs(2)).unwrap();
    Credentials::new(Source::Instance {
        metadata: Metadata::new(http, server.address.clone()),
        role: None,
    })
}

#[tokio::test]
async fn a_role_is_renewed_before_it_expires_and_kept_while_it_is_good() {
    let (first, second) = (
        role("2030-01-01T01:00:00Z", "a"),
        role("2030-01-01T02:00:00Z", "b"),
    );
    let server = Scripted::new(&[
        (200, "text/plain", "token-1"),
        (200, "text/plain", "flatnet-role"),
        (200, JSON, &first),
        (200, "text/plain", "flatnet-role"),
        (200, JSON, &second),
    ])
    .await;
    let credentials = instance(&server);
    let at = |text: &str| humantime::parse_rfc3339(text).unwrap();
    assert_eq!(
        credentials
            .get(at("2030-01-01T00:00:00Z"))
            .await
            .unwrap()
            .key_id,
        "a"
    );
    assert_eq!(
        credentials
            .get(at("2030-01-01T00:54:00Z"))
            .await
            .unwrap()
            .key_id,
        "a"
    );
    assert_eq!(server.heads().len(), 3);
    assert_eq!(
        credentials
            .get(at("2030-01-01T00:56:00Z"))
            .await
            .unwrap()
            .key_id,
        "b"
    );
    let heads = server.heads();
    assert!(heads[0].starts_with("PUT /latest/api/token"));
    assert!(
        heads[0]
            .to_lowercase()
            .contains("metadata-token-ttl-seconds: 21600")
    );
    assert!(heads[2].starts_with("GET /latest/meta-data/ram/security-credentials/flatnet-role"));
    assert!(heads[2].contains("token-1"));
    // The service is gone: the key that is good for another hour serves on.
    assert_eq!(
        credentials
            .get(at("2030-01-01T01:58:00Z"))
            .await
            .unwrap()
            .key_id,
        "b"
    );
    assert!(credentials.get(at("2030-01-01T02:00:00Z")).await.is_err());
}

#[tokio::test]
async fn a_metadata_token_that_is_refused_is_asked_for_again() {
    let key = role("2030-01-01T01:00:00Z", "a");
    let server = Scripted::new(&[
        (200, "text/plain", "token-1"),
        (401, "text/plain", ""),
        (200, "text/plain", "token-2"),
        (200, "text/plain", "r"),
        (200, JSON, &key),
    ])
    .await;
    assert_eq!(instance(&server).get(UNIX_EPOCH).await.unwrap().key_id, "a");
    assert!(server.heads()[4].contains("token-2"));
}

#[tokio::test]
async fn an_instance_without_a_role_is_told_so() {
    let server = Scripted::new(&[(200, "text/plain", "t"), (404, "text/html", "no")]).await;
    let error = instance(&server).get(UNIX_EPOCH).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is a RAM role bound to the instance?"),
        "{error}"
    );
}

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
    let odd = STATIC.replace("Available", "Dreaming");
    let server = Scripted::new(&[(200, JSON, &page(&odd, ""))]).await;
    let client = server.client(Source::Static(credential("k")), SignatureVersion::V3);
    let error = client.list(&table()).await.unwrap_err();
    assert!(
        error.to_string().contains("its status is `Dreaming`"),
        "{error}"
    );
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
