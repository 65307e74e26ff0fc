use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;

use crate::api::code;
use crate::cni::{Call, CniArgs, EnvError, InputError};

fn call(variables: &[(&str, &str)]) -> Result<Call, EnvError> {
    let map: BTreeMap<_, _> = variables.iter().copied().collect();
    Call::from_env(&|name| map.get(name).map(OsString::from))
}

const ADD: [(&str, &str); 4] = [
    ("CNI_COMMAND", "ADD"),
    ("CNI_CONTAINERID", "abc"),
    ("CNI_NETNS", "/run/netns/x"),
    ("CNI_IFNAME", "eth0"),
];

fn with(name: &'static str, value: &'static str) -> Result<Call, EnvError> {
    let mut variables = ADD.to_vec();
    variables.retain(|(n, _)| *n != name);
    variables.push((name, value));
    call(&variables)
}

#[test]
fn each_command_is_understood_without_cni_path() {
    assert!(matches!(call(&ADD), Ok(Call::Add { .. })));
    assert!(matches!(
        with("CNI_COMMAND", "CHECK"),
        Ok(Call::Check { .. })
    ));
    assert!(matches!(
        with("CNI_COMMAND", "DEL"),
        Ok(Call::Del { netns: Some(_), .. })
    ));
    assert_eq!(call(&[("CNI_COMMAND", "STATUS")]), Ok(Call::Status));
    assert_eq!(call(&[("CNI_COMMAND", "GC")]), Ok(Call::Gc));
    assert_eq!(call(&[("CNI_COMMAND", "VERSION")]), Ok(Call::Version));
}

#[test]
fn a_del_works_without_a_namespace() {
    let del = [
        ("CNI_COMMAND", "DEL"),
        ("CNI_CONTAINERID", "abc"),
        ("CNI_IFNAME", "eth0"),
    ];
    assert!(matches!(call(&del), Ok(Call::Del { netns: None, .. })));
    for gone in ["", "not/absolute", "/run/../netns"] {
        let call = call(&[&del[..], &[("CNI_NETNS", gone)]].concat());
        assert!(
            matches!(call, Ok(Call::Del { netns: None, .. })),
            "{gone}: {call:?}"
        );
    }
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let err = call(&[("CNI_COMMAND", "ADD"), ("CNI_IFNAME", "")]).expect_err("nothing is set");
    let text = err.to_string();
    for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
        assert!(text.contains(name), "{text}");
    }
    assert_eq!(err.cni_code(), code::INVALID_ENVIRONMENT);
}

#[test]
fn a_command_that_cni_does_not_have_is_refused() {
    assert_eq!(call(&[]), Err(EnvError::NoCommand));
    assert_eq!(call(&[("CNI_COMMAND", "")]), Err(EnvError::NoCommand));
    for bad in ["add", "UPDATE", "ADD ", "\u{1F980}"] {
        assert!(
            matches!(
                with("CNI_COMMAND", bad),
                Err(EnvError::UnknownCommand { .. })
            ),
            "{bad}"
        );
    }
}

#[test]
fn a_wrong_value_names_its_variable() {
    for (name, bad) in [
        ("CNI_CONTAINERID", "../x"),
        ("CNI_IFNAME", "a/b"),
        ("CNI_IFNAME", "more-than-15-bytes"),
        ("CNI_IFNAME", ".."),
        ("CNI_NETNS", "netns"),
    ] {
        let err = with(name, bad).expect_err(bad);
        assert!(err.to_string().contains(name), "{err}");
    }
}

#[test]
fn a_value_that_is_not_utf_8_is_refused() {
    let err = Call::from_env(&|name| match name {
        "CNI_CONTAINERID" => Some(OsString::from_vec(vec![b'a', 0xff])),
        other => ADD
            .iter()
            .find(|(n, _)| *n == other)
            .map(|(_, v)| OsString::from(v)),
    });
    assert_eq!(
        err,
        Err(EnvError::NotUtf8 {
            variable: "CNI_CONTAINERID"
        })
    );
}

#[test]
fn the_args_of_kubernetes_runtimes_are_taken() {
    let args = CniArgs::parse(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;\
         K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=12-34",
    )
    .expect("args");
    assert_eq!(args.pod.namespace, "shop");
    assert_eq!(args.pod.name, "web-0");
    assert_eq!(args.pod.uid, "12-34");
    assert!(args.ips.is_empty() && args.mac.is_none());
}

#[test]
fn args_ask_for_addresses_and_a_mac() {
    let args = CniArgs::parse("IP=10.0.0.5/24,fd00::5;MAC=02:00:00:00:00:01;").expect("args");
    let ips: Vec<_> = args.ips.iter().map(|asked| asked.ip.to_string()).collect();
    assert_eq!(ips, ["10.0.0.5", "fd00::5"]);
    assert_eq!(
        args.mac.map(|m| m.to_string()).as_deref(),
        Some("02:00:00:00:00:01")
    );
}

#[test]
fn unknown_args_are_refused_unless_the_runtime_says_otherwise() {
    let err = CniArgs::parse("COLOUR=crimson;K8S_NEW=1").expect_err("an unknown key");
    assert!(err.to_string().contains("COLOUR"), "{err}");
    assert!(!err.to_string().contains("crimson"), "{err}");
    for yes in ["1", "true", "True", "TRUE"] {
        assert!(CniArgs::parse(&format!("COLOUR=crimson;IgnoreUnknown={yes}")).is_ok());
    }
    assert!(CniArgs::parse("COLOUR=crimson;IgnoreUnknown=0").is_err());
}

#[test]
fn wrong_args_are_code_4() {
    for bad in [
        "IP",
        "IP=x",
        "IP=10.0.0.0/33",
        "MAC=1",
        "MAC=ff:ff:ff:ff:ff:ff",
        "IgnoreUnknown=2",
    ] {
        let err = InputError::from(CniArgs::parse(bad).expect_err(bad));
        assert!(matches!(err, InputError::Args { .. }));
        assert_eq!(err.cni_code(), code::INVALID_ENVIRONMENT, "{bad}");
    }
}

proptest! {
    #[test]
    fn no_args_make_the_reader_panic(text in "(IP|MAC|K8S_POD_NAME|IgnoreUnknown|[a-z]{0,3})?(=|;|,|.){0,9}") {
        let _ = CniArgs::parse(&text);
    }

    #[test]
    fn no_environment_makes_the_reader_panic(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 5)) {
        let names = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"];
        let _ = Call::from_env(&|name| {
            let at = names.iter().position(|n| *n == name)?;
            Some(OsString::from_vec(values[at].clone()))
        });
    }
}
