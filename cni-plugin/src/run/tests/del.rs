use tempfile::TempDir;

use super::*;
use flatnet_spool::Spool;

/// A configuration whose spool is in a directory of its own.
fn spooling() -> (TempDir, Spool, Value) {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("flatnet/spool");
    let stdin = conf_with(&json!({"spool": path}));
    (dir, Spool::new(path), stdin)
}

#[test]
fn a_del_prints_nothing() {
    let ran = call(Netd::Serves, "DEL", &conf());
    assert_eq!((ran.exit, ran.stdout.as_str()), (EXIT_OK, ""));
    assert_eq!(
        *ran.request(),
        json!({"version": 1, "network": "pods", "container_id": "abc", "ifname": "eth0",
               "netns": "/run/netns/x"})
    );
}

#[test]
fn a_del_reads_only_what_names_the_attachment() {
    let stdin = conf_with(&json!({"mtu": "x", "prevResult": 5, "ipam": 1, "runtimeConfig": []}));
    let env = [("CNI_NETNS", ""), ("CNI_ARGS", "garbage")];
    let ran = run_with(Netd::Serves, "DEL", &env, stdin.to_string().as_bytes());
    assert_eq!(ran.exit, EXIT_OK, "{ran:?}");
    assert_eq!(ran.request().get("netns"), None);
}

#[test]
fn a_del_that_does_not_reach_netd_is_spooled_and_succeeds() {
    for netd in absences() {
        let (_dir, spool, stdin) = spooling();
        let ran = call(netd.clone(), "DEL", &stdin);
        assert_eq!((ran.exit, ran.stdout.as_str()), (EXIT_OK, ""), "{netd:?}");
        let listing = spool.read_all().expect("a listing");
        let del = &listing.entries[0].del;
        assert_eq!(del.spooled_at, NOW);
        assert_eq!(del.socket, "/s");
        assert_eq!(del.request.key.to_string(), "pods/abc/eth0");
        assert_eq!(
            del.request.netns.as_ref().map(|n| n.as_str()),
            Some("/run/netns/x")
        );
    }
}

#[test]
fn a_repeated_del_is_spooled_once() {
    let (_dir, spool, stdin) = spooling();
    for _ in 0..3 {
        assert_eq!(call(Netd::Away, "DEL", &stdin).exit, EXIT_OK);
    }
    assert_eq!(spool.read_all().expect("a listing").entries.len(), 1);
}

#[test]
fn a_del_that_netd_refuses_is_an_error_and_not_spooled() {
    let (_dir, spool, stdin) = spooling();
    let ran = call(refusal(code::TRY_AGAIN_LATER, "OVS is down"), "DEL", &stdin);
    assert_eq!(ran.code(), code::TRY_AGAIN_LATER);
    assert!(spool.read_all().expect("a listing").entries.is_empty());
}

#[test]
fn a_del_that_cannot_be_spooled_is_an_error() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let stdin = conf_with(&json!({"spool": file.join("spool")}));
    let ran = call(Netd::Away, "DEL", &stdin);
    assert_eq!(ran.code(), code::IO_FAILURE);
    assert!(
        ran.error()["details"].to_string().contains("/s"),
        "the error of netd is in the details"
    );
}
