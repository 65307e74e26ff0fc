//! The driver: what plugins are given, without root; what the reference plugins make of it,
//! with root.

use serde_json::{Map, Value, json};

use super::driver::environment;
use super::*;

const LIST: &str = r#"{
  "cniVersion": "1.1.0",
  "name": "web",
  "plugins": [
    {"type": "flatnet", "socket": "/run/x", "capabilities": {"bandwidth": true, "ips": true}},
    {"type": "portmap", "capabilities": {"portMappings": true, "ips": false}, "snat": false}
  ]
}"#;

fn list() -> Conflist {
    Conflist::parse(LIST.as_bytes()).expect("a list")
}

fn offered() -> Map<String, Value> {
    let conf = RuntimeConf::default()
        .capability("portMappings", json!([{"hostPort": 80}]))
        .capability("ips", json!(["10.0.0.5"]))
        .capability("unheard-of", json!(1));
    conf.capabilities
}

#[test]
fn a_plugin_is_told_the_lists_name_and_version_and_keeps_its_own_keys() {
    let list = list();
    let stdin = list.stdin(&list.plugins[1], None, &Map::new());
    assert_eq!(
        stdin,
        json!({
            "name": "web", "cniVersion": "1.1.0", "type": "portmap", "snat": false,
            "capabilities": {"portMappings": true, "ips": false},
        })
    );
}

#[test]
fn runtime_config_holds_only_what_the_plugin_declares() {
    let list = list();
    let first = list.stdin(&list.plugins[0], None, &offered());
    assert_eq!(first["runtimeConfig"], json!({"ips": ["10.0.0.5"]}));
    let second = list.stdin(&list.plugins[1], None, &offered());
    assert_eq!(
        second["runtimeConfig"],
        json!({"portMappings": [{"hostPort": 80}]})
    );
}

#[test]
fn the_result_before_is_handed_on_as_it_is() {
    let list = list();
    let prev = json!({"cniVersion": "1.1.0", "x-own": [1, 2]});
    let stdin = list.stdin(&list.plugins[1], Some(&prev), &Map::new());
    assert_eq!(stdin["prevResult"], prev);
}

#[test]
fn garbage_collection_names_the_living_under_both_keys() {
    let list = list();
    let none = list.gc_stdin(&list.plugins[0], &[]);
    assert_eq!(none["cni.dev/valid-attachments"], json!([]));
    let one = list.gc_stdin(&list.plugins[0], &[("c1".to_owned(), "eth0".to_owned())]);
    for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
        assert_eq!(one[key], json!([{"containerID": "c1", "ifname": "eth0"}]));
    }
}

#[test]
fn every_variable_is_set_and_the_arguments_are_joined() {
    let conf = RuntimeConf::new("c1", "/run/netns/fnc-c1".as_ref(), "eth0")
        .arg("IgnoreUnknown", "1")
        .arg("K8S_POD_NAME", "web-0");
    let env = environment("ADD", &conf, &["/a".into(), "/b".into()]);
    let expected = [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/run/netns/fnc-c1"),
        ("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=web-0"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/a:/b"),
    ];
    assert_eq!(env, expected.map(|(n, v)| (n, v.to_owned())));
}

#[test]
fn a_list_without_its_necessary_parts_is_refused() {
    for (text, missing) in [
        (r#"{"plugins": [{"type": "x"}]}"#, "name"),
        (r#"{"name": "n"}"#, "plugins"),
        (r#"{"name": "n", "plugins": []}"#, "plugins"),
        (r#"{"name": "n", "plugins": [{}]}"#, "plugin type"),
    ] {
        match Conflist::parse(text.as_bytes()) {
            Err(ConfError::Missing { field }) => assert_eq!(field, missing),
            other => panic!("{text} gave {other:?}"),
        }
    }
}

#[test]
fn versions_are_compared_by_number() {
    let list = list();
    assert!(list.clone().with_version("1.1.0").at_least("0.4.0"));
    assert!(list.clone().with_version("0.10.0").at_least("0.4.0"));
    assert!(!list.clone().with_version("0.3.1").at_least("0.4.0"));
    assert!(!list.with_version("").at_least("0.4.0"));
}

#[test]
fn a_version_without_check_gc_or_status_says_so() {
    let old = Cni::new(list().with_version("0.3.1"), &[]);
    let refused = |e: &RuntimeError| matches!(e, RuntimeError::NoSuchCommand { .. });
    let check = old.check(&RuntimeConf::default(), &Value::Null);
    assert!(check.is_err_and(|e| refused(&e)));
    assert!(old.status().is_err_and(|e| refused(&e)));
    assert!(old.gc(&[]).is_err_and(|e| refused(&e[0])));
}

#[test]
fn a_plugin_that_is_nowhere_is_named_with_where_it_was_looked_for() {
    let cni = Cni::new(list(), &["/nowhere".as_ref()]);
    let error = cni
        .add(&RuntimeConf::default())
        .expect_err("there is no such directory");
    assert_eq!(error.to_string(), "no plugin flatnet in /nowhere");
}

/// A directory with one shell script as a plugin.
fn script(body: &str) -> (tempfile::TempDir, Cni) {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("p");
    std::fs::write(&file, format!("#!/bin/sh\n{body}\n")).expect("a script");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let list = Conflist::parse(br#"{"cniVersion":"1.1.0","name":"n","plugins":[{"type":"p"}]}"#)
        .expect("a list");
    let cni = Cni::new(list, &[dir.path()]);
    (dir, cni)
}

#[test]
fn an_error_on_stdout_is_typed() {
    let (_dir, cni) = script(
        r#"cat >/dev/null; echo '{"cniVersion":"1.1.0","code":11,"msg":"later","details":"d"}'; exit 1"#,
    );
    let error = cni.add(&RuntimeConf::default()).expect_err("it exits 1");
    assert_eq!(error.code(), Some(11));
    assert_eq!(error.to_string(), "plugin p failed with code 11: later; d");
}

#[test]
fn a_plugin_that_dies_without_a_word_is_a_crash() {
    let (_dir, cni) = script("echo oops >&2; exit 3");
    match cni.add(&RuntimeConf::default()) {
        Err(RuntimeError::Crashed { stderr, .. }) => assert_eq!(stderr, "oops\n"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plugin_that_hangs_is_killed() {
    let (_dir, cni) = script("exec sleep 60");
    let limit = std::time::Duration::from_millis(100);
    match cni.with_limit(Some(limit)).add(&RuntimeConf::default()) {
        Err(RuntimeError::TimedOut { plugin, .. }) => assert_eq!(plugin, "p"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_result_of_any_version_is_read() {
    let raw = json!({
        "cniVersion": "0.4.0",
        "interfaces": [{"name": "veth1", "mac": "0a:00:00:00:00:01"},
                       {"name": "eth0", "mac": "0a:00:00:00:00:02", "sandbox": "/run/netns/x"}],
        "ips": [{"version": "4", "address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 1}],
        "routes": [{"dst": "0.0.0.0/0"}], "dns": {},
    });
    let result = CniResult::parse(&raw).expect("a result");
    let inside = result.container_interface("eth0").expect("eth0");
    assert_eq!(inside.mac, "0a:00:00:00:00:02");
    assert_eq!(
        result.addresses(),
        ["10.1.0.5".parse::<std::net::IpAddr>().expect("v4")]
    );
}

#[path = "tests_root.rs"]
mod with_root;
