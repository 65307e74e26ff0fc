use super::*;

fn checked() -> Value {
    conf_with(&json!({"prevResult": {
        "interfaces": [
            {"name": "veth1"},
            {"name": "eth0", "mac": "0a:f1:0a:00:00:05", "sandbox": "/run/netns/x"},
        ],
        "ips": [{"interface": 1, "address": "10.0.0.5/24", "gateway": "10.0.0.1"}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}],
    }}))
}

#[test]
fn a_check_asks_for_what_prev_result_says() {
    let ran = call(Netd::Serves, "CHECK", &checked());
    assert_eq!((ran.exit, ran.stdout.as_str()), (EXIT_OK, ""));
    assert_eq!(
        *ran.request(),
        json!({"version": 1, "network": "pods", "container_id": "abc", "ifname": "eth0",
               "netns": "/run/netns/x", "mac": "0a:f1:0a:00:00:05", "ips": ["10.0.0.5/24"],
               "routes": [{"dst": "0.0.0.0/0", "gateway": "10.0.0.1"}]})
    );
}

#[test]
fn a_check_needs_its_version_and_prev_result() {
    let mut old = checked();
    old["cniVersion"] = "0.3.1".into();
    assert_eq!(
        call(Netd::Serves, "CHECK", &old).code(),
        code::INCOMPATIBLE_VERSION
    );
    let ran = call(Netd::Serves, "CHECK", &conf());
    assert_eq!(ran.code(), code::INVALID_CONFIG);
    assert!(ran.error()["msg"].to_string().contains("prevResult"));
    let other = json!({"prevResult": {"interfaces": [{"name": "eth1", "sandbox": "/x"}]}});
    assert_eq!(
        call(Netd::Serves, "CHECK", &conf_with(&other)).code(),
        code::INVALID_CONFIG
    );
}

#[test]
fn the_differences_of_a_check_are_printed_as_netd_sent_them() {
    let ran = call(
        refusal(code::CHECK_FAILED, "the MAC differs"),
        "CHECK",
        &checked(),
    );
    assert_eq!(ran.code(), code::CHECK_FAILED);
    assert_eq!(
        call(Netd::Away, "CHECK", &checked()).code(),
        code::TRY_AGAIN_LATER
    );
}

#[test]
fn a_gc_without_its_list_releases_nothing() {
    let ran = call(Netd::Serves, "GC", &conf());
    assert_eq!(ran.exit, EXIT_OK);
    assert!(ran.asked.is_empty());
}

#[test]
fn a_gc_with_an_empty_list_asks_for_all() {
    let ran = call(
        Netd::Serves,
        "GC",
        &conf_with(&json!({"cni.dev/valid-attachments": []})),
    );
    assert_eq!(
        *ran.request(),
        json!({"version": 1, "network": "pods", "valid": []})
    );
    let one = json!({"cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}]});
    let ran = call(Netd::Serves, "GC", &conf_with(&one));
    assert_eq!(
        ran.request()["valid"],
        json!([{"container_id": "a", "ifname": "eth0"}])
    );
}

#[test]
fn a_gc_with_only_the_other_name_of_the_list_is_done() {
    let one = json!({"cni.dev/attachments": [{"containerID": "a", "ifname": "eth0"}]});
    let ran = call(Netd::Serves, "GC", &conf_with(&one));
    assert_eq!(
        ran.request()["valid"],
        json!([{"container_id": "a", "ifname": "eth0"}])
    );
}

#[test]
fn a_gc_with_one_wrong_entry_never_reaches_netd() {
    let bad = json!({"cni.dev/valid-attachments": [{"containerID": "a", "ifname": "a/b"}]});
    let ran = call(Netd::Serves, "GC", &conf_with(&bad));
    assert_eq!(ran.code(), code::INVALID_CONFIG);
    assert!(ran.asked.is_empty());
}

#[test]
fn a_gc_without_netd_says_that_it_will_be_repeated() {
    let ran = call(
        Netd::Away,
        "GC",
        &conf_with(&json!({"cni.dev/valid-attachments": []})),
    );
    assert_eq!(ran.code(), code::TRY_AGAIN_LATER);
    assert!(
        ran.error()["details"].to_string().contains("repeats"),
        "{ran:?}"
    );
}

#[test]
fn a_status_asks_for_the_plans_network() {
    let ran = call(
        Netd::Serves,
        "STATUS",
        &conf_with(&json!({"network": "blue"})),
    );
    assert_eq!((ran.exit, ran.stdout.as_str()), (EXIT_OK, ""));
    assert_eq!(*ran.request(), json!({"version": 1, "network": "blue"}));
    assert_eq!(
        call(Netd::Serves, "STATUS", &conf()).request()["network"],
        "pods"
    );
}

#[test]
fn a_status_without_netd_is_code_50() {
    for netd in absences() {
        assert_eq!(
            call(netd.clone(), "STATUS", &conf()).code(),
            code::NOT_AVAILABLE,
            "{netd:?}"
        );
    }
    let full = refusal(code::LIMITED_CONNECTIVITY, "the range is full");
    assert_eq!(
        call(full, "STATUS", &conf()).code(),
        code::LIMITED_CONNECTIVITY
    );
}

#[test]
fn gc_and_status_need_their_version() {
    let mut old = conf();
    old["cniVersion"] = "1.0.0".into();
    for command in ["GC", "STATUS"] {
        assert_eq!(
            call(Netd::Serves, command, &old).code(),
            code::INCOMPATIBLE_VERSION
        );
    }
}

fn version(stdin: &[u8]) -> Ran {
    run_with(Netd::Away, "VERSION", &[], stdin)
}

#[test]
fn version_is_answered_in_the_version_that_was_asked_for() {
    let supported = json!([
        "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"
    ]);
    for (stdin, echoed) in [
        ("", "1.1.0"),
        ("{}", "1.1.0"),
        (r#"{"cniVersion":""}"#, "1.1.0"),
        (r#"{"cniVersion":"0.4.0"}"#, "0.4.0"),
        (r#"{"cniVersion":"1.2.0-rc1"}"#, "1.2.0-rc1"),
        (r#"{"cniVersion":"hunter2 and more"}"#, "1.1.0"),
    ] {
        let json = version(stdin.as_bytes()).json();
        assert_eq!(
            json,
            json!({"cniVersion": echoed, "supportedVersions": supported}),
            "{stdin}"
        );
    }
    assert_eq!(version(b"{").code(), code::DECODE);
}

#[test]
fn without_a_command_the_usage_is_printed() {
    let ran = run_with(Netd::Serves, "", &[], b"");
    assert_eq!(ran.code(), code::INVALID_ENVIRONMENT);
    assert!(ran.stderr.starts_with("flatnet 0."), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1);
}

#[test]
fn a_command_that_cni_does_not_have_is_code_4() {
    let ran = run_with(Netd::Serves, "UPDATE", &[], b"{}");
    assert_eq!(ran.code(), code::INVALID_ENVIRONMENT);
    assert!(ran.error()["msg"].to_string().contains("CNI_COMMAND"));
    assert_eq!(ran.stderr, "");
}

#[test]
fn an_endless_stdin_is_refused_at_the_limit() {
    let mut stdout = Vec::new();
    let exit = run(Process {
        env: &|name| (name == "CNI_COMMAND").then(|| "STATUS".into()),
        stdin: &mut io::repeat(b' '),
        stdout: &mut stdout,
        stderr: &mut io::sink(),
        netd: &Fake::new(Netd::Serves),
        now: NOW,
    });
    assert_eq!(exit, EXIT_ERROR);
    assert!(String::from_utf8_lossy(&stdout).contains("\"code\":6"));
}

proptest::proptest! {
    #[test]
    fn no_stdin_makes_a_command_panic(
        command in proptest::sample::select(vec!["ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION"]),
        stdin: Vec<u8>,
    ) {
        let ran = run_with(Netd::Serves, command, &[], &stdin);
        if ran.exit == EXIT_ERROR {
            ran.error();
        }
    }
}
