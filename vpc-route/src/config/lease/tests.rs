use std::path::Path;

use flatnet_leader::LeaseKind;

use crate::config::{Config, ConfigError};

fn read(lease: &str) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.yml");
    let head = "cluster: lab\nplan: /plan.yml\n";
    std::fs::write(&path, format!("{head}{lease}")).unwrap();
    Config::read(&path)
}

/// The message as it is printed, without the directory.
fn refused(lease: &str) -> String {
    let error = anyhow::Error::from(read(lease).unwrap_err());
    let text = format!("{error:#}");
    text.split_once("c.yml").unwrap().1.to_owned()
}

#[test]
fn the_lease_is_a_file_in_the_state_directory_unless_it_says_otherwise() {
    assert_eq!(read("").unwrap().lease, LeaseKind::File(None));
    let file = read("lease: {file: /mnt/lease}\n").unwrap();
    assert_eq!(
        file.lease,
        LeaseKind::File(Some(Path::new("/mnt/lease").into()))
    );
    assert!(file.lease_place().ends_with("c.yml:3"));
}

#[test]
fn kubernetes_lease_is_named_by_namespace_and_name() {
    let found = read(
        "lease:\n  kubernetes:\n    namespace: flatnet\n    name: vpc-route\n    identity: pod-1\n",
    );
    let LeaseKind::Kubernetes(lease) = found.unwrap().lease else {
        panic!("a file");
    };
    assert_eq!(lease.to_string(), "flatnet/vpc-route");
    assert_eq!(
        (lease.kubeconfig, lease.identity),
        (None, Some("pod-1".into()))
    );
}

#[test]
fn both_none_and_names_that_cannot_be_are_refused_with_their_place() {
    let both = "lease:\n  file: /l\n  kubernetes: {namespace: a, name: b}\n";
    let said = refused(both);
    assert!(said.starts_with(":4:3:"), "{said}");
    assert!(said.contains("either `file` or `kubernetes`"), "{said}");
    let said = refused("lease: {}\n");
    assert!(
        said.starts_with(":3:") && said.contains("it is empty"),
        "{said}"
    );
    let said = refused("lease:\n  kubernetes:\n    namespace: a\n    name: VPC_Route\n");
    assert!(
        said.starts_with(":5:") && said.contains("`VPC_Route` cannot be"),
        "{said}"
    );
    let said = refused("lease: {kubernetes: {namespace: a}}\n");
    assert!(
        said.starts_with(":3:") && said.contains("missing field `name`"),
        "{said}"
    );
    let said = refused("lease: {etcd: x}\n");
    assert!(said.contains("unknown variant `etcd`"), "{said}");
}

#[test]
fn the_line_is_found_in_yaml_and_in_json() {
    assert_eq!(super::line("a: 1\nlease: {file: x}\n"), Some(2));
    assert_eq!(super::line("{\n  \"lease\": {}\n}"), Some(2));
    assert_eq!(super::line("leaseSeconds: 3\n"), None);
}
