use std::time::Duration;

use super::*;
use crate::config::Rate;
use crate::error::Throttle;

const WINDOW: Duration = Duration::from_secs(15 * 60);

fn now() -> Timestamp {
    Timestamp::parse_iso("2016-02-23T12:46:24Z").expect("a time")
}

fn key(id: &str) -> Key {
    Key {
        id: id.to_owned(),
        secret: "testsecret".to_owned(),
        token: None,
        expires: None,
        allow: vec!["*".to_owned()],
        inactive: false,
    }
}

fn gateway(key: Key) -> Gateway {
    let mut keys = Keys::default();
    keys.put(key);
    Gateway::new(keys, Throttling::default(), WINDOW)
}

fn params(pairs: &[(&str, &str)]) -> Params {
    let owned = pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Params(owned.collect())
}

/// The documented request, whose time has the key `time_key`.
fn documented(time_key: &str) -> Params {
    params(&[
        ("AccessKeyId", "testid"),
        ("Action", "DescribeRegions"),
        ("Format", "XML"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
        ("SignatureVersion", "1.0"),
        (time_key, "2016-02-23T12:46:24Z"),
        ("Version", "2014-05-26"),
    ])
}

/// A request signed with V1.
fn v1(changes: &[(&str, &str)]) -> Request {
    let mut all = params(&[
        ("AccessKeyId", "testid"),
        ("Action", "DescribeVpcs"),
        ("Format", "JSON"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", "n1"),
        ("SignatureType", ""),
        ("SignatureVersion", "1.0"),
        ("Timestamp", "2016-02-23T12:46:24Z"),
        ("Version", VERSION),
    ]);
    for (name, value) in changes {
        all.0.insert((*name).to_owned(), (*value).to_owned());
    }
    all.0.retain(|_, value| value != "<none>");
    let signature = v1_signature("testsecret", &v1_string_to_sign("POST", &all));
    all.0.entry("Signature".to_owned()).or_insert(signature);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&all.0);
    Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: query.finish(),
        ..Request::default()
    }
}

fn v3(change: impl Fn(&mut Request)) -> Request {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let mut headers = vec![
        ("host", "vpc.aliyuncs.com"),
        ("x-acs-action", "DescribeVpcs"),
        ("x-acs-content-sha256", empty),
        ("x-acs-date", "2016-02-23T12:46:24Z"),
        ("x-acs-signature-nonce", "n3"),
        ("x-acs-version", VERSION),
    ];
    headers.sort_unstable();
    let query = vec![("RegionId".to_owned(), "cn hangzhou/*~".to_owned())];
    let canonical = V3Canonical {
        method: "POST",
        path: "/",
        query: &query,
        headers: &headers,
        payload: empty,
    };
    let signature = v3_signature("testsecret", &v3_string_to_sign(&canonical));
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let authorization = format!(
        "ACS3-HMAC-SHA256 Credential=testid,SignedHeaders={},Signature={signature}",
        names.join(";")
    );
    let mut owned: Vec<(String, String)> = headers
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    owned.push(("authorization".to_owned(), authorization));
    let mut request = Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: "RegionId=cn%20hangzhou%2F%2A~".to_owned(),
        headers: owned,
        body: Vec::new(),
    };
    change(&mut request);
    request
}

fn refusal(request: &Request) -> String {
    let mut gateway = gateway(key("testid"));
    let refused = gateway.admit(now(), request, |a| a == "DescribeVpcs");
    refused.expect_err("to be refused").code()
}

#[test]
fn the_documented_v1_request_has_the_documented_signature() {
    for (time_key, signature) in [
        ("TimeStamp", "CT9X0VtwR86fNWSnsc6v8YGOjuE="),
        ("Timestamp", "OLeaidS1JvxuMvnyHOwuJ+uX5qY="),
    ] {
        let text = v1_string_to_sign("GET", &documented(time_key));
        assert_eq!(v1_signature("testsecret", &text), signature, "{text}");
    }
}

#[test]
fn the_documented_v3_request_has_the_documented_signature() {
    let payload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let query = decode_query(
        "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai",
    );
    let canonical = V3Canonical {
        method: "POST",
        path: "/",
        query: &query,
        headers: &[
            ("host", "ecs.cn-shanghai.aliyuncs.com"),
            ("x-acs-action", "RunInstances"),
            ("x-acs-content-sha256", payload),
            ("x-acs-date", "2023-10-26T10:22:32Z"),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
            ("x-acs-version", "2014-05-26"),
        ],
        payload,
    };
    assert_eq!(
        v3_signature("YourAccessKeySecret", &v3_string_to_sign(&canonical)),
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    );
}

#[test]
fn a_signed_request_is_let_in_once() {
    for request in [v1(&[]), v3(|_| ())] {
        let mut gateway = gateway(key("testid"));
        let call = gateway
            .admit(now(), &request, |_| true)
            .expect("to be let in");
        assert_eq!(
            (call.action.as_str(), call.key.as_str()),
            ("DescribeVpcs", "testid")
        );
        assert!(call.params.get("Signature").is_none());
        let again = gateway.admit(now(), &request, |_| true);
        assert_eq!(again, Err(ApiError::SignatureNonceUsed));
    }
}

#[test]
fn a_wrong_secret_is_told_what_the_server_signed() {
    let mut other = key("testid");
    other.secret = "another".to_owned();
    let mut gateway = gateway(other);
    let refused = gateway
        .admit(now(), &v1(&[]), |_| true)
        .expect_err("a wrong secret");
    assert_eq!(refused.code(), "SignatureDoesNotMatch");
    assert_eq!(refused.status(), 400);
    let message = refused.to_string();
    assert!(
        message.contains("server string to sign is:POST&%2F&AccessKeyId%3Dtestid"),
        "{message}"
    );
    let refused = gateway
        .admit(now(), &v3(|_| ()), |_| true)
        .expect_err("a wrong secret");
    assert!(
        refused
            .to_string()
            .contains("server string to sign is:ACS3-HMAC-SHA256\n")
    );
}

#[test]
fn a_nonce_of_a_refused_signature_is_not_used_up() {
    let mut gateway = gateway(key("testid"));
    let wrong = v1(&[("Signature", "bm9uZQ==")]);
    let refused = gateway
        .admit(now(), &wrong, |_| true)
        .expect_err("a wrong signature");
    assert_eq!(refused.code(), "SignatureDoesNotMatch");
    assert!(gateway.admit(now(), &v1(&[]), |_| true).is_ok());
}

#[test]
fn a_time_that_is_15_minutes_off_is_refused_either_way() {
    for (shift, good) in [
        (899_000, true),
        (901_000, false),
        (-899_000, true),
        (-901_000, false),
    ] {
        let mut gateway = gateway(key("testid"));
        let admitted = gateway.admit(now().shifted(shift), &v1(&[]), |_| true);
        assert_eq!(admitted.is_ok(), good, "{shift} ms");
        if !good {
            assert_eq!(admitted, Err(ApiError::TimestampExpired));
        }
    }
}

#[test]
fn what_is_missing_or_wrong_has_its_own_code() {
    for (changes, code) in [
        ([("Action", "<none>")], "MissingParameter"),
        ([("Action", "Describe")], "InvalidAction.NotFound"),
        ([("Version", "2014-05-26")], "InvalidVersion"),
        ([("AccessKeyId", "<none>")], "MissingAccessKeyId"),
        ([("AccessKeyId", "other")], "InvalidAccessKeyId.NotFound"),
        ([("SignatureMethod", "HMAC-MD5")], "IncompleteSignature"),
        ([("SignatureVersion", "2.0")], "IncompleteSignature"),
        ([("SignatureNonce", "<none>")], "IncompleteSignature"),
        ([("Timestamp", "<none>")], "MissingParameter"),
        ([("Timestamp", "yesterday")], "InvalidTimeStamp.Format"),
        (
            [("SecurityToken", "x")],
            "InvalidSecurityToken.MismatchWithAccessKey",
        ),
    ] {
        assert_eq!(refusal(&v1(&changes)), code, "{changes:?}");
    }
}

#[test]
fn a_v3_request_must_sign_what_it_says() {
    let set = |name: &'static str, value: &'static str| {
        move |r: &mut Request| {
            r.headers.retain(|(n, _)| n != name);
            r.headers.push((name.to_owned(), value.to_owned()));
        }
    };
    let auth = "authorization";
    for (request, code) in [
        (v3(set(auth, "Bearer x")), "IncompleteSignature"),
        (
            v3(set(auth, "ACS3-HMAC-SHA256 Credential=testid")),
            "IncompleteSignature",
        ),
        (
            v3(set("x-acs-security-token", "unsigned")),
            "IncompleteSignature",
        ),
        (
            v3(|r| r.headers.retain(|(n, _)| n != "x-acs-date")),
            "IncompleteSignature",
        ),
        (v3(|r| r.body = b"changed".to_vec()), "IncompleteSignature"),
        (
            v3(|r| r.query = "RegionId=other".to_owned()),
            "SignatureDoesNotMatch",
        ),
        (
            v3(set("x-acs-date", "2016-02-23T12:46:25Z")),
            "SignatureDoesNotMatch",
        ),
    ] {
        assert_eq!(refusal(&request), code, "{request:?}");
    }
}

#[test]
fn an_sts_key_needs_its_token_and_ends() {
    let mut sts = key("testid");
    sts.token = Some("tok".to_owned());
    sts.expires = Some(now().plus(Duration::from_secs(10)));
    let mut gateway = gateway(sts);
    let with = |nonce| v1(&[("SecurityToken", "tok"), ("SignatureNonce", nonce)]);
    assert_eq!(
        gateway.admit(now(), &v1(&[]), |_| true),
        Err(ApiError::TokenMismatch)
    );
    assert!(gateway.admit(now(), &with("a"), |_| true).is_ok());
    let late = now().plus(Duration::from_secs(10));
    assert_eq!(
        gateway.admit(late, &with("b"), |_| true),
        Err(ApiError::TokenExpired)
    );
}

#[test]
fn a_key_may_do_what_it_is_allowed_and_no_more() {
    let mut reader = key("testid");
    reader.allow = vec!["vpc:Describe*".to_owned()];
    let mut gateway = gateway(reader);
    assert!(gateway.admit(now(), &v1(&[]), |_| true).is_ok());
    let write = v1(&[("Action", "DeleteRouteEntry"), ("SignatureNonce", "n2")]);
    let refused = gateway
        .admit(now(), &write, |_| true)
        .expect_err("not allowed");
    assert_eq!(
        (refused.code().as_str(), refused.status()),
        ("Forbidden.RAM", 403)
    );
}

#[test]
fn a_key_that_is_switched_off_is_refused() {
    let mut off = key("testid");
    off.inactive = true;
    let refused = gateway(off).admit(now(), &v1(&[]), |_| true);
    assert_eq!(refused, Err(ApiError::AccessKeyInactive));
}

#[test]
fn buckets_empty_and_fill_by_time() {
    let api = Rate {
        per_second: 1.0,
        burst: 1.0,
    };
    let user = Rate {
        per_second: 1.0,
        burst: 2.0,
    };
    let mut throttler = Throttler::new(Throttling {
        user: Some(user),
        apis: BTreeMap::from([("CreateRouteEntries".to_owned(), api)]),
    });
    let second = |n| now().plus(Duration::from_secs(n));
    let mut take = |at, action| throttler.take(at, "k", action);
    assert_eq!(take(second(0), "CreateRouteEntries"), Ok(()));
    let by_api = Err(ApiError::Throttling(Throttle::Api));
    assert_eq!(take(second(0), "CreateRouteEntries"), by_api);
    assert_eq!(take(second(0), "DescribeVpcs"), Ok(()));
    let by_user = Err(ApiError::Throttling(Throttle::User));
    assert_eq!(take(second(0), "DescribeVpcs"), by_user);
    assert_eq!(take(second(1), "CreateRouteEntries"), Ok(()));
}

#[test]
fn a_list_is_in_the_order_of_its_numbers() {
    let all = params(&[
        ("R.10.A", "j"),
        ("R.2.A", "b"),
        ("R.2.B", "c"),
        ("Rx.1.A", "no"),
        ("L.1", "v"),
    ]);
    let list = all.list("R");
    assert_eq!(
        list,
        [params(&[("A", "b"), ("B", "c")]), params(&[("A", "j")])]
    );
    assert_eq!(all.list("L")[0].get(""), Some("v"));
}
