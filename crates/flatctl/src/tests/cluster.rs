//! What is told where there is no cluster to be had; with one, the suite `kubernetes` tries it.

use super::plan::{changed, path};
use super::*;

/// A kubeconfig of a server that nobody runs: port 1 is reserved (tcpmux).
fn nobody() -> tempfile::NamedTempFile {
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), config.to_string()).expect("writing");
    file
}

#[test]
fn a_plan_with_errors_is_not_applied_and_nobody_is_asked() {
    let bad = changed("site: ", "site: no-");
    let ran = flatctl(&["plan", "apply", path(&bad), "--kubeconfig", "/nowhere"]);
    assert_eq!(ran.code, error::exit::FOUND, "{}", ran.err);
    assert!(ran.out.contains("FN0006"), "{}", ran.out);
    assert_eq!(ran.err, "note: nothing is applied\n");
}

#[test]
fn a_plan_that_names_no_cluster_says_where_to_write_it() {
    let said = refusal(&["plan", "apply", TWO_SITES, "--kubeconfig", "/nowhere"]);
    assert!(said.starts_with("exit 2\n"), "{said}");
    assert!(
        said.contains("write `cluster: NAME` in the plan's `spec`"),
        "{said}"
    );
}

#[test]
fn a_cluster_that_is_away_is_told_with_what_to_do() {
    let config = nobody();
    let plan = changed("spec:\n", "spec:\n  cluster: prod\n");
    let calls: [&[&str]; 4] = [
        &["plan", "apply", path(&plan)],
        &["plan", "export"],
        &["plan", "check", "--from-cluster"],
        &["plan", "diff", "--from-cluster", path(&plan)],
    ];
    for call in calls {
        let said = refusal(&[call, &["--kubeconfig", path(&config)][..]].concat());
        assert!(said.starts_with("exit 3\n"), "{call:?}: {said}");
        assert!(
            said.contains("no answer from http://127.0.0.1:1"),
            "{call:?}: {said}"
        );
        assert!(
            said.contains("next: check that the API server runs"),
            "{call:?}: {said}"
        );
    }
    let said = refusal(&["plan", "export", "--kubeconfig", "/nowhere"]);
    assert!(
        said.contains("no way to a Kubernetes API server is known (/nowhere)"),
        "{said}"
    );
    assert!(said.contains("next: name a kubeconfig"), "{said}");
}
