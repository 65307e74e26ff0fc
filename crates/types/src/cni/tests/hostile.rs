use proptest::prelude::*;

use crate::api::{ErrorReply, code};
use crate::cni::conf::STDIN_LIMIT;
use crate::cni::{CniArgs, CniVersion, Document};

/// Does with an input all that the commands together do with it.
fn read_all(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes) else {
        return;
    };
    let _ = (
        document.asked_version(),
        document.net_conf(),
        document.valid_attachments(),
    );
    let _ = document.attach_conf(CniArgs::default());
    if let Ok(Some(result)) = document.prev_result() {
        for version in CniVersion::ALL {
            result.print(version).expect("a result prints");
        }
    }
}

fn refused(bytes: &[u8]) -> ErrorReply {
    let reply = ErrorReply::from(Document::parse(bytes).expect_err("a hostile input"));
    assert_eq!(reply.code, code::DECODE, "{reply:?}");
    assert!(
        reply.msg.len() < 300,
        "the message repeats the input: {}",
        reply.msg.len()
    );
    reply
}

#[test]
fn an_input_of_ten_megabytes_is_refused() {
    let big = format!(r#"{{"name":"n","x":"{}"}}"#, "x".repeat(10 * 1024 * 1024));
    assert!(
        refused(big.as_bytes())
            .msg
            .contains(&STDIN_LIMIT.to_string())
    );
    let fits = format!(r#"{{"name":"n","x":"{}"}}"#, "x".repeat(STDIN_LIMIT - 100));
    assert!(Document::parse(fits.as_bytes()).is_ok());
}

#[test]
fn nothing_and_white_space_are_empty() {
    assert!(refused(b"").msg.contains("empty"));
    assert!(refused(b" \n\t").msg.contains("empty"));
}

#[test]
fn every_cut_of_a_configuration_is_refused() {
    let whole =
        br#"{"cniVersion":"1.1.0","name":"n","prevResult":{"ips":[{"address":"10.0.0.1/8"}]}}"#;
    for length in 1..whole.len() {
        refused(&whole[..length]);
    }
}

#[test]
fn deep_nesting_under_a_known_key_is_refused() {
    for open in ["[", r#"{"a":"#] {
        refused(format!(r#"{{"args":{}"#, open.repeat(500_000)).as_bytes());
    }
}

#[test]
fn a_key_twice_is_refused_at_every_depth() {
    for text in [
        r#"{"name":"a","name":"b"}"#,
        r#"{"runtimeConfig":{"ips":[],"ips":["10.0.0.1"]}}"#,
        r#"{"prevResult":{"ips":[{"address":"10.0.0.1/8","address":"10.0.0.2/8"}]}}"#,
    ] {
        assert!(refused(text.as_bytes()).msg.contains("twice"));
    }
}

#[test]
fn what_is_no_object_is_refused_without_being_repeated() {
    for text in [
        "[]",
        "5",
        "null",
        "true",
        r#""hunter2""#,
        "{}{}",
        "{} hunter2",
    ] {
        assert!(!refused(text.as_bytes()).msg.contains("hunter2"));
    }
}

#[test]
fn nul_and_wrong_utf_8_are_refused() {
    refused(b"{\"name\":\"a\0b\"}");
    refused(b"\0{}");
    assert!(refused(b"{\"name\":\"\xff\"}").msg.contains("byte 9"));
    refused(b"{\"name\":\"\xed\xa0\x80\"}");
    refused(br#"{"name":"\ud800"}"#);
}

#[test]
fn an_error_never_repeats_a_secret_beside_the_wrong_key() {
    let text = r#"{"name":"n","mtu":[],"args":{"password":"hunter2"},"runtimeConfig":{"token":"hunter2"}}"#;
    let document = Document::parse(text.as_bytes()).expect("sound JSON");
    let err = document
        .attach_conf(CniArgs::default())
        .expect_err("a wrong mtu");
    assert!(!format!("{err:?} {err}").contains("hunter2"));
}

#[test]
fn a_list_of_a_million_is_refused_quickly() {
    let text = format!(
        r#"{{"name":"n","vlanTrunk":[{}1]}}"#,
        "1,".repeat(1_000_000)
    );
    let document = Document::parse(text.as_bytes()).expect("sound JSON");
    let err = document
        .attach_conf(CniArgs::default())
        .expect_err("too many");
    assert_eq!(err.cni_code(), code::INVALID_CONFIG);
}

/// JSON that is near a configuration: the known keys with values of any kind.
fn near_configuration() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| serde_json::json!(n).to_string()),
        prop::sample::select(vec![
            "\"\"",
            "\"10.0.0.1/24\"",
            "\"fd00::1\"",
            "\"1.1.0\"",
            "\"0.2.0\"",
            "\"pods\"",
            "\"02:00:00:00:00:01\"",
            "\"/run/x\"",
            "\"\\u0000\"",
        ])
        .prop_map(str::to_owned),
    ];
    let keys = prop::sample::select(vec![
        "cniVersion",
        "name",
        "runtimeConfig",
        "args",
        "cni",
        "prevResult",
        "dns",
        "ipam",
        "type",
        "ipMasq",
        "socket",
        "spool",
        "network",
        "mtu",
        "vlanTrunk",
        "routes",
        "ips",
        "mac",
        "bandwidth",
        "ingressRate",
        "ingressBurst",
        "interfaces",
        "interface",
        "address",
        "gateway",
        "dst",
        "gw",
        "table",
        "ip4",
        "ip6",
        "ip",
        "id",
        "minID",
        "maxID",
        "sandbox",
        "nameservers",
        "cni.dev/valid-attachments",
        "containerID",
        "ifname",
    ]);
    let inner = leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::btree_map(keys.clone(), inner, 0..7).prop_map(|map| {
                let pairs: Vec<_> = map.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    });
    inner.prop_filter("an object", |text| text.starts_with('{'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        read_all(&bytes);
    }

    #[test]
    fn no_configuration_makes_the_reader_panic(text in near_configuration()) {
        read_all(text.as_bytes());
    }

    #[test]
    fn no_changed_byte_makes_the_reader_panic(at in 0_usize..200, byte: u8) {
        let mut text = br#"{"cniVersion":"1.1.0","name":"n","mtu":1500,"vlanTrunk":[{"minID":1,"maxID":9}],"runtimeConfig":{"ips":["10.0.0.1"]},"prevResult":{"interfaces":[{"name":"a"}],"ips":[{"interface":0,"address":"10.0.0.1/8"}]}}"#.to_vec();
        text[at] = byte;
        read_all(&text);
    }
}
