//! `flatctl install preflight`, on a host that is a directory and with a netd that is a script.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

/// A program that says so, with that status.
fn script(path: &Path, says: &str, status: u8) {
    fs::write(path, format!("#!/bin/sh\necho '{says}'\nexit {status}\n")).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
}

fn preflight(root: &Path) -> Ran {
    let text = |name: &str| root.join(name).display().to_string();
    flatctl(&[
        "install",
        "preflight",
        "-o",
        "json",
        "--netd-program",
        &text("netd"),
        "--plan",
        &text("plan.yaml"),
        "--cni-bin-dir",
        &text("bin"),
        "--cni-conf-dir",
        &text("net.d"),
        "--units",
        &text("units"),
    ])
}

/// What lacks, by what was looked at.
fn lacking(ran: &Ran) -> Vec<String> {
    let findings: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    let findings = findings.as_array().expect("a list").iter();
    findings
        .filter(|finding| !finding["lacks"].is_null())
        .map(|finding| finding["what"].as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn a_bare_host_is_told_everything_and_a_fit_one_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path();
    let ran = preflight(root);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert_eq!(lacking(&ran).len(), 4, "{}", ran.out);

    for name in ["bin", "net.d", "units"] {
        fs::create_dir(root.join(name)).expect("made");
    }
    script(
        &root.join("netd"),
        r#"[{"what": "sysctls", "lacks": null}]"#,
        0,
    );
    script(&root.join("bin/flatnet"), "", 0);
    fs::write(root.join("units/netd.service"), "").expect("written");
    let conflist = r#"{"name": "a", "plugins": [{"type": "flatnet"}]}"#;
    fs::write(root.join("net.d/10-flatnet.conflist"), conflist).expect("written");
    let ran = preflight(root);
    assert_eq!((ran.code, lacking(&ran)), (0, Vec::new()), "{}", ran.out);

    // Another plugin's configuration comes first by name.
    fs::write(root.join("net.d/05-other.conflist"), "{}").expect("written");
    // Its status is not 0 where something lacks.
    let says = r#"[{"what": "kernel module", "lacks": "load it"}]"#;
    script(&root.join("netd"), says, 1);
    let ran = preflight(root);
    assert_eq!(ran.code, 1);
    let lacks = lacking(&ran);
    assert_eq!(lacks.len(), 2, "{lacks:?}");
    assert_eq!(lacks[1], "kernel module");
    assert!(ran.out.contains("05-other.conflist"), "{}", ran.out);
}

#[test]
fn a_netd_of_another_version_is_told_with_its_words() {
    let dir = tempfile::tempdir().expect("a directory");
    script(&dir.path().join("netd"), "ok      capabilities", 0);
    let ran = preflight(dir.path());
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("of one version"), "{}", ran.err);
}
