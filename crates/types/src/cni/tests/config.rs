use crate::api::code;
use crate::cni::conf::{DEFAULT_SOCKET, DEFAULT_SPOOL};
use crate::cni::{CniVersion, InputError};

use super::{attach, attach_with, document, net_conf};

fn vlans(keys: &str) -> Vec<u16> {
    attach(keys)
        .expect("a configuration")
        .trunk
        .iter()
        .map(|v| v.get())
        .collect()
}

fn ips(keys: &str, args: &str) -> Vec<String> {
    attach_with(keys, args)
        .expect("sound")
        .ips
        .iter()
        .map(|asked| asked.ip.to_string())
        .collect()
}

#[test]
fn the_least_configuration_has_defaults() {
    let conf = net_conf(r#"{"name":"pods"}"#).expect("a configuration");
    assert_eq!(conf.version, CniVersion::V0_1_0);
    assert_eq!(conf.name.as_str(), "pods");
    assert_eq!(conf.network, None);
    assert_eq!(conf.socket.to_str(), Some(DEFAULT_SOCKET));
    assert_eq!(conf.spool.to_str(), Some(DEFAULT_SPOOL));
}

#[test]
fn foreign_keys_are_tolerated_whatever_they_hold() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let text = format!(r#"{{"name":"pods","plugins":{deep},"x":1e999,"y":{{"a":1,"a":2}}}}"#);
    assert!(net_conf(&text).is_ok());
    let keys = r#""ipam":{},"ipMasq":false,"capabilities":{"ips":true},"bridge":"cni0",
        "runtimeConfig":{"portMappings":[{"hostPort":80}],"dns":{"servers":["1.1.1.1"]},"aliases":7}"#;
    attach(keys).expect("foreign keys");
}

#[test]
fn every_key_of_ours_is_read() {
    let conf = net_conf(
        r#"{"cniVersion":"1.0.0","name":"pods","network":"blue","socket":"/s","spool":"/p"}"#,
    )
    .expect("a configuration");
    assert_eq!(conf.network.as_ref().map(AsRef::as_ref), Some("blue"));
    assert_eq!(
        (conf.socket.to_str(), conf.spool.to_str()),
        (Some("/s"), Some("/p"))
    );

    let conf = attach(
        r#""mtu":1400,"vlanTrunk":[5],"routes":[{"dst":"10.1.2.3/8","gw":"10.0.0.1"},{"dst":"fd00::/8"}],
           "dns":{"nameservers":["10.0.0.53"],"search":["svc"]}"#,
    )
    .expect("a configuration");
    assert_eq!(conf.mtu.map(crate::Mtu::get), Some(1400));
    assert_eq!(
        conf.routes[0].dst.to_string(),
        "10.0.0.0/8",
        "host bits stayed"
    );
    assert_eq!(
        conf.routes[0].gateway.map(|g| g.to_string()).as_deref(),
        Some("10.0.0.1")
    );
    assert_eq!(conf.routes[1].gateway, None);
    assert_eq!(conf.dns.search, ["svc"]);
}

#[test]
fn a_trunk_is_ids_and_ranges_in_any_order() {
    assert_eq!(vlans(r#""vlanTrunk":[7,5,7]"#), [5, 7]);
    assert_eq!(
        vlans(
            r#""vlanTrunk":[{"minID":10,"maxID":12},{"id":4094},1,{"id":3,"minID":5,"maxID":5}]"#
        ),
        [1, 3, 5, 10, 11, 12, 4094]
    );
}

#[test]
fn a_wrong_trunk_is_refused_with_its_place() {
    for (bad, place) in [
        ("[0]", "vlanTrunk[0]"),
        ("[1,4095]", "vlanTrunk[1]"),
        ("[18446744073709551615]", "vlanTrunk[0]"),
        ("[\"5\"]", "vlanTrunk[0]"),
        ("[{}]", "vlanTrunk[0]"),
        ("[{\"minID\":5}]", "vlanTrunk[0]"),
        ("[{\"minID\":6,\"maxID\":5}]", "vlanTrunk[0]"),
        ("[{\"id\":4095}]", "vlanTrunk[0].id"),
        ("5", "vlanTrunk"),
    ] {
        let err = attach(&format!(r#""vlanTrunk":{bad}"#)).expect_err(bad);
        assert_eq!(err.cni_code(), code::INVALID_CONFIG, "{bad}");
        assert!(err.to_string().contains(&format!("`{place}`")), "{err}");
    }
}

#[test]
fn a_wrong_type_names_its_key_and_not_its_value() {
    for (keys, place) in [
        (r#""mtu":"hunter2""#, "mtu"),
        (r#""mtu":-1"#, "mtu"),
        (r#""mtu":1400.5"#, "mtu"),
        (r#""routes":{"hunter2":1}"#, "routes"),
        (r#""routes":["hunter2"]"#, "routes[0]"),
        (r#""routes":[{"dst":5}]"#, "routes[0].dst"),
        (r#""dns":"hunter2""#, "dns"),
        (r#""dns":{"search":"hunter2"}"#, "dns.search"),
        (r#""runtimeConfig":[]"#, "runtimeConfig"),
        (r#""runtimeConfig":{"ips":"hunter2"}"#, "runtimeConfig.ips"),
        (r#""runtimeConfig":{"ips":[1]}"#, "runtimeConfig.ips[0]"),
        (r#""runtimeConfig":{"mac":1}"#, "runtimeConfig.mac"),
        (
            r#""runtimeConfig":{"bandwidth":{"ingressRate":"hunter2"}}"#,
            "runtimeConfig.bandwidth.ingressRate",
        ),
        (r#""args":{"cni":5}"#, "args.cni"),
    ] {
        let err = attach(keys).expect_err(keys);
        assert!(
            matches!(err, InputError::WrongType { .. }),
            "{keys}: {err:?}"
        );
        assert_eq!(err.cni_code(), code::INVALID_CONFIG, "{keys}");
        assert!(err.to_string().contains(&format!("`{place}`")), "{err}");
        assert!(!err.to_string().contains("hunter2"), "{err}");
    }
}

#[test]
fn a_wrong_value_is_code_7() {
    for keys in [
        r#""mtu":67"#,
        r#""mtu":65536"#,
        r#""routes":[{"gw":"10.0.0.1"}]"#,
        r#""routes":[{"dst":"10.0.0.0/8","gw":"fd00::1"}]"#,
        r#""dns":{"nameservers":["ns.example.org"]}"#,
        r#""runtimeConfig":{"ips":["10.0.0.300"]}"#,
        r#""runtimeConfig":{"mac":"ff:ff:ff:ff:ff:ff"}"#,
        r#""runtimeConfig":{"bandwidth":{"egressRate":1000}}"#,
    ] {
        assert_eq!(
            attach(keys).expect_err(keys).cni_code(),
            code::INVALID_CONFIG,
            "{keys}"
        );
    }
}

#[test]
fn a_missing_or_bad_name_is_code_7() {
    for text in [
        "{}",
        r#"{"name":""}"#,
        r#"{"name":null}"#,
        r#"{"name":5}"#,
        r#"{"name":"a b"}"#,
        r#"{"name":"\u0000"}"#,
        r#"{"name":"n","network":"../x"}"#,
    ] {
        assert_eq!(
            net_conf(text).expect_err(text).cni_code(),
            code::INVALID_CONFIG,
            "{text}"
        );
    }
}

#[test]
fn a_socket_is_an_absolute_path_that_the_kernel_takes() {
    let long = "/x".repeat(60);
    for bad in ["", "netd.sock", "@abstract", "/a\\u0000b", &long] {
        let err = net_conf(&format!(r#"{{"name":"n","socket":"{bad}"}}"#)).expect_err(bad);
        assert_eq!(err.cni_code(), code::INVALID_CONFIG, "{bad}");
    }
}

#[test]
fn what_would_promise_something_else_is_code_2_with_key_and_value() {
    for (keys, key, value) in [
        (r#""ipam":{"type":"host-local"}"#, "ipam.type", "host-local"),
        (r#""ipMasq":true"#, "ipMasq", "true"),
        (
            r#""routes":[{"dst":"10.0.0.0/8","table":5}]"#,
            "routes[0].table",
            "5",
        ),
    ] {
        let err = attach(keys).expect_err(keys);
        assert_eq!(err.cni_code(), code::UNSUPPORTED_FIELD, "{keys}");
        assert!(
            err.to_string().contains(key) && err.to_string().contains(value),
            "{err}"
        );
    }
}

#[test]
fn the_runtime_comes_before_args_and_args_before_cni_args() {
    let runtime = r#""runtimeConfig":{"ips":["10.0.0.1/24"],"mac":"02:00:00:00:00:01"}"#;
    let args = r#""args":{"cni":{"ips":["10.0.0.2"],"mac":"02:00:00:00:00:02"}}"#;
    let env = "IP=10.0.0.3;MAC=02:00:00:00:00:03";
    assert_eq!(ips(&format!("{runtime},{args}"), env), ["10.0.0.1"]);
    assert_eq!(ips(args, env), ["10.0.0.2"]);
    assert_eq!(ips(r#""args":{"cni":{"ips":[]}}"#, env), ["10.0.0.3"]);
    let mac = attach_with(args, env).expect("sound").mac;
    assert_eq!(
        mac.map(|m| m.to_string()).as_deref(),
        Some("02:00:00:00:00:02")
    );
}

#[test]
fn bandwidth_is_in_bits_and_zero_is_no_limit() {
    let conf = attach(
        r#""runtimeConfig":{"bandwidth":{"ingressRate":0,"ingressBurst":0,"egressRate":8000,"egressBurst":1600}}"#,
    )
    .expect("sound");
    assert_eq!(conf.bandwidth.ingress, None);
    let egress = conf.bandwidth.egress.expect("a limit");
    assert_eq!((egress.rate, egress.burst), (8000, 1600));
}

/// As containerd hands over the annotation `kubernetes.io/ingress-bandwidth`: go-cni's type has no JSON names.
#[test]
fn bandwidth_is_read_as_containerd_writes_it() {
    let conf = attach(
        r#""runtimeConfig":{"bandwidth":{"IngressRate":20000000,"IngressBurst":4294967295,"EgressRate":0,"EgressBurst":0}}"#,
    )
    .expect("sound");
    let ingress = conf.bandwidth.ingress.expect("a limit");
    assert_eq!(
        (ingress.rate, ingress.burst),
        (20_000_000, u64::from(u32::MAX))
    );
    assert_eq!(conf.bandwidth.egress, None);
}

#[test]
fn an_absent_list_of_what_lives_is_not_an_empty_one() {
    let valid = |value: &str| document(value).valid_attachments();
    assert_eq!(valid("{}").expect("sound"), None);
    assert_eq!(
        valid(r#"{"cni.dev/valid-attachments":null}"#).expect("sound"),
        None
    );
    assert_eq!(
        valid(r#"{"cni.dev/valid-attachments":[]}"#).expect("sound"),
        Some(vec![])
    );
    let one = valid(r#"{"cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]}"#);
    assert_eq!(one.expect("sound").map(|list| list.len()), Some(1));
}

#[test]
fn what_lives_has_two_names_and_either_is_enough() {
    let valid = |value: &str| document(value).valid_attachments().expect("sound");
    let a = r#"[{"containerID":"a","ifname":"eth0"}]"#;
    let b = r#"[{"containerID":"b","ifname":"eth0"}]"#;
    let standard = valid(&format!(r#"{{"cni.dev/attachments":{a}}}"#));
    assert_eq!(
        standard,
        valid(&format!(r#"{{"cni.dev/valid-attachments":{a}}}"#))
    );
    assert_eq!(standard.map(|list| list.len()), Some(1));
    assert_eq!(valid(r#"{"cni.dev/attachments":[]}"#), Some(vec![]));
    // Neither list ends what the other one names.
    let both = format!(r#"{{"cni.dev/attachments":{a},"cni.dev/valid-attachments":{b}}}"#);
    assert_eq!(valid(&both).map(|list| list.len()), Some(2));
    let half = format!(r#"{{"cni.dev/attachments":{a},"cni.dev/valid-attachments":null}}"#);
    assert_eq!(valid(&half).map(|list| list.len()), Some(1));
    let bad = format!(r#"{{"cni.dev/attachments":[{{}}],"cni.dev/valid-attachments":{b}}}"#);
    assert!(document(&bad).valid_attachments().is_err());
}

#[test]
fn a_length_behind_an_address_is_kept_with_its_place() {
    let keys = r#""runtimeConfig":{"ips":["10.0.0.1","10.0.0.2/25"]}"#;
    let asked = attach(keys).expect("sound").ips;
    assert_eq!((asked[0].length, asked[1].length), (None, Some(25)));
    assert_eq!(asked[1].place, "runtimeConfig.ips[1]");
    let asked = attach_with(r#""x":1"#, "IP=fd00::1/80").expect("sound").ips;
    assert_eq!(
        (asked[0].length, asked[0].place.as_str()),
        (Some(80), "CNI_ARGS IP")
    );
    let keys = r#""args":{"cni":{"ips":["10.0.0.2/25"]}}"#;
    assert_eq!(attach(keys).expect("sound").ips[0].place, "args.cni.ips[0]");
}

#[test]
fn ip_ranges_are_refused_and_not_ignored() {
    let keys = r#""runtimeConfig":{"ipRanges":[[{"subnet":"10.0.0.0/25"}]]}"#;
    let err = attach(keys).expect_err("a wish that is not granted");
    assert_eq!(err.cni_code(), code::UNSUPPORTED_FIELD);
    assert!(err.to_string().contains("runtimeConfig.ipRanges"), "{err}");
    attach(r#""runtimeConfig":{"ipRanges":[]}"#).expect("no wish");
}

#[test]
fn one_wrong_entry_of_what_lives_stops_the_whole_gc() {
    for bad in [
        r#"[{"containerID":"a"}]"#,
        r#"[{"containerID":"a","ifname":"eth0"},{"containerID":"../a","ifname":"eth0"}]"#,
        r#"[{"containerID":"a","ifname":null}]"#,
        r#"{"containerID":"a"}"#,
        r#"["a"]"#,
    ] {
        let text = format!(r#"{{"cni.dev/valid-attachments":{bad}}}"#);
        let err = document(&text).valid_attachments().expect_err(bad);
        assert_eq!(err.cni_code(), code::INVALID_CONFIG, "{bad}");
    }
}

/// A configuration that goes by pod annotations, with these.
fn annotated(annotations: &str) -> String {
    format!(
        r#""podAnnotations":"admitted","runtimeConfig":{{"io.kubernetes.cri.pod-annotations":{{{annotations}}}}}"#
    )
}

#[test]
fn annotations_of_an_admitted_pod_choose_network_addresses_mac_and_trunk() {
    let all = r#""flatnet.io/admitted":"v1","flatnet.io/network":"db",
        "flatnet.io/ips":"10.0.0.7, fd00::7/64","flatnet.io/mac":"02:00:00:00:00:07",
        "flatnet.io/trunk":"20-22, 10,21","app.kubernetes.io/name":"x""#;
    let conf = attach_with(&annotated(all), "IP=10.0.0.3").expect("sound");
    assert_eq!(conf.network.expect("chosen").as_str(), "db");
    let ips: Vec<_> = conf.ips.iter().map(|a| a.ip.to_string()).collect();
    assert_eq!(ips, ["10.0.0.7", "fd00::7"]);
    assert_eq!(conf.ips[1].length, Some(64));
    assert_eq!(conf.ips[0].place, "annotation flatnet.io/ips");
    assert_eq!(conf.mac.expect("asked").to_string(), "02:00:00:00:00:07");
    let trunk: Vec<_> = conf.trunk.iter().map(|v| v.get()).collect();
    assert_eq!(trunk, [10, 20, 21, 22]);
    // An empty annotation asks for nothing.
    let empty = r#""flatnet.io/admitted":"v1","flatnet.io/network":" ","flatnet.io/ips":"""#;
    let conf = attach(&annotated(empty)).expect("sound");
    assert_eq!((conf.network, conf.ips.len()), (None, 0));
}

#[test]
fn a_pod_that_was_not_admitted_gets_no_address() {
    for (keys, words) in [
        (annotated(""), "deploy/kubernetes/admission.yaml"),
        (annotated(r#""flatnet.io/network":"db""#), "did not see"),
        (annotated(r#""flatnet.io/admitted":"v2""#), "\"v2\""),
        (r#""podAnnotations":"admitted""#.to_owned(), "capability"),
        (
            r#""podAnnotations":"admitted","runtimeConfig":{"ips":["10.0.0.1"]}"#.to_owned(),
            "capability",
        ),
    ] {
        let err = attach(&keys).expect_err(&keys);
        assert_eq!(err.cni_code(), code::TRY_AGAIN_LATER, "{keys}");
        assert!(err.to_string().contains(words), "{err}");
    }
}

#[test]
fn a_wrong_annotation_is_named() {
    for (name, value) in [
        ("network", "Not A Name"),
        ("ips", "10.0.0.300"),
        ("mac", "ff:ff:ff:ff:ff:ff"),
        ("trunk", "0"),
        ("trunk", "20-10"),
        ("trunk", "10;20"),
        ("trunk", "4095"),
    ] {
        let keys = annotated(&format!(
            r#""flatnet.io/admitted":"v1","flatnet.io/{name}":"{value}""#
        ));
        let err = attach(&keys).expect_err(&keys);
        assert_eq!(err.cni_code(), code::INVALID_CONFIG, "{keys}");
        let place = format!("`annotation flatnet.io/{name}`");
        assert!(err.to_string().contains(&place), "{err}");
    }
    let err = attach(r#""podAnnotations":"yes""#).expect_err("another mode");
    assert_eq!(err.cni_code(), code::UNSUPPORTED_FIELD);
}

#[test]
fn annotations_are_ignored_unless_the_configuration_goes_by_them() {
    let keys = r#""runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"flatnet.io/ips":"10.0.0.7","flatnet.io/network":"db"}}"#;
    let conf = attach(keys).expect("sound");
    assert_eq!((conf.ips.len(), conf.network), (0, None));
}
