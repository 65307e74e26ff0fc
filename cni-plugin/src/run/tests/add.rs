use super::*;

#[test]
fn an_add_prints_what_netd_made() {
    let ran = call(Netd::Serves, "ADD", &conf());
    assert_eq!(ran.exit, EXIT_OK);
    assert_eq!(
        ran.json(),
        json!({
            "cniVersion": "1.1.0",
            "interfaces": [
                {"name": "veth1", "mac": "02:00:00:00:00:01", "mtu": 1500},
                {"name": "eth0", "mac": "0a:f1:0a:00:00:05", "mtu": 1500, "sandbox": "/run/netns/x"},
            ],
            "ips": [{"interface": 1, "address": "10.0.0.5/24", "gateway": "10.0.0.1"}],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}],
        })
    );
}

#[test]
fn an_add_hands_every_wish_to_netd() {
    let stdin = conf_with(&json!({
        "network": "blue", "mtu": 1400, "vlanTrunk": [{"minID": 5, "maxID": 6}],
        "routes": [{"dst": "10.9.0.0/16"}],
        "runtimeConfig": {
            "ips": ["10.0.0.7/24"], "mac": "02:00:00:00:00:07",
            "bandwidth": {"ingressRate": 8000, "ingressBurst": 800},
        },
    }));
    let ran = call(Netd::Serves, "ADD", &stdin);
    assert_eq!(ran.asked[0].1, "/s");
    assert_eq!(
        *ran.request(),
        json!({
            "version": 1, "network": "pods", "container_id": "abc", "ifname": "eth0",
            "netns": "/run/netns/x", "plan_network": "blue", "ips": ["10.0.0.7"],
            "ip_prefixes": [{"address": "10.0.0.7/24", "place": "runtimeConfig.ips[0]"}],
            "mac": "02:00:00:00:00:07", "mtu": 1400, "trunk": [5, 6],
            "bandwidth": {"ingress": {"rate": 8000, "burst": 800}},
            "routes": [{"dst": "10.9.0.0/16"}],
            "pod": {"namespace": "shop", "name": "web-0"},
        })
    );
}

#[test]
fn the_result_is_in_the_version_that_was_asked_for() {
    let mut stdin = conf();
    for version in CniVersion::ALL {
        stdin["cniVersion"] = version.as_str().into();
        let json = call(Netd::Serves, "ADD", &stdin).json();
        assert_eq!(json["cniVersion"], version.as_str());
        assert_eq!(
            json.get("ip4").is_some(),
            version < CniVersion::V0_3_0,
            "{json}"
        );
    }
}

#[test]
fn an_add_in_a_chain_adds_to_what_came_before() {
    let stdin = conf_with(&json!({
        "dns": {"nameservers": ["10.0.0.53"]},
        "prevResult": {
            "cniVersion": "1.1.0",
            "interfaces": [{"name": "lo", "sandbox": "/run/netns/x", "pciID": "p"}],
            "ips": [{"interface": 0, "address": "127.0.0.1/8"}],
        },
    }));
    let json = call(Netd::Serves, "ADD", &stdin).json();
    assert_eq!(json["interfaces"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["interfaces"][0]["pciID"], "p");
    assert_eq!(json["ips"][0]["interface"], 0);
    assert_eq!(json["ips"][1]["interface"], 2);
    assert_eq!(json["dns"]["nameservers"], json!(["10.0.0.53"]));
}

#[test]
fn an_add_without_netd_is_to_be_tried_again() {
    for netd in [Netd::Away, Netd::Cut, Netd::Slow] {
        let ran = call(netd.clone(), "ADD", &conf());
        assert_eq!(ran.code(), code::TRY_AGAIN_LATER, "{netd:?}");
        assert!(ran.error()["details"].to_string().contains("/s"), "{ran:?}");
    }
    assert_eq!(call(Netd::Garbage, "ADD", &conf()).code(), code::DECODE);
}

#[test]
fn netds_refusal_is_printed_as_it_is() {
    let ran = call(
        refusal(code::RANGE_EXHAUSTED, "no free address"),
        "ADD",
        &conf(),
    );
    assert_eq!(
        ran.error(),
        json!({"cniVersion": "1.1.0", "code": 105, "msg": "no free address"})
    );
    assert_eq!(call(refusal(0, "x"), "ADD", &conf()).code(), code::INTERNAL);
}

#[test]
fn a_netd_of_another_version_is_a_clear_error() {
    let ran = call(
        refusal(code::UNSUPPORTED_VERSION, "served: 2, 3"),
        "ADD",
        &conf(),
    );
    assert_eq!(ran.code(), code::UNSUPPORTED_VERSION);
    let msg = ran.error()["msg"].to_string();
    assert!(
        msg.contains("version 1") && msg.contains("served: 2, 3"),
        "{msg}"
    );
    assert!(
        ran.error()["details"].to_string().contains("upgrade"),
        "{ran:?}"
    );
}

#[test]
fn a_wrong_configuration_never_reaches_netd() {
    for (more, expected) in [
        (json!({"mtu": "big"}), code::INVALID_CONFIG),
        (json!({"name": ""}), code::INVALID_CONFIG),
        (json!({"prevResult": {"ips": 5}}), code::INVALID_CONFIG),
        (json!({"ipam": {"type": "dhcp"}}), code::UNSUPPORTED_FIELD),
        (json!({"cniVersion": "9.0.0"}), code::INCOMPATIBLE_VERSION),
        (json!({"cniVersion": 1}), code::DECODE),
    ] {
        let ran = call(Netd::Serves, "ADD", &conf_with(&more));
        assert_eq!(ran.code(), expected, "{more}");
        assert!(ran.asked.is_empty());
    }
    let ran = run_with(
        Netd::Serves,
        "ADD",
        &[("CNI_ARGS", "IP=x")],
        conf().to_string().as_bytes(),
    );
    assert_eq!(ran.code(), code::INVALID_ENVIRONMENT);
    assert!(ran.asked.is_empty());
}

#[test]
fn an_error_is_in_the_configurations_version_where_it_is_known() {
    let ran = call(
        Netd::Serves,
        "ADD",
        &conf_with(&json!({"cniVersion": "0.4.0", "mtu": 1})),
    );
    assert_eq!(ran.error()["cniVersion"], "0.4.0");
    let ran = call(
        Netd::Serves,
        "ADD",
        &conf_with(&json!({"cniVersion": "9.0.0"})),
    );
    assert_eq!(ran.error()["cniVersion"], "1.1.0");
    assert!(
        ran.error()["details"].to_string().contains("0.3.1"),
        "the versions are listed"
    );
}

/// A stdout whose writes fail.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_add_whose_result_cannot_be_written_is_undone() {
    let fake = Fake::new(Netd::Serves);
    let env = |name: &str| {
        Some(match name {
            "CNI_COMMAND" => "ADD".into(),
            "CNI_CONTAINERID" => "abc".into(),
            "CNI_NETNS" => "/run/netns/x".into(),
            "CNI_IFNAME" => "eth0".into(),
            _ => return None,
        })
    };
    let exit = run(Process {
        env: &env,
        stdin: &mut conf().to_string().as_bytes(),
        stdout: &mut Closed,
        stderr: &mut io::sink(),
        netd: &fake,
        now: NOW,
    });
    assert_eq!(exit, EXIT_ERROR);
    let asked: Vec<_> = fake.asked.borrow().iter().map(|(what, ..)| *what).collect();
    assert_eq!(asked, ["add", "del"]);
}
