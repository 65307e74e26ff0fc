//! Signatures, by the published vectors.

use super::*;

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
