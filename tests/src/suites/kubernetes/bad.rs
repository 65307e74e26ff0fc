//! What vpc-route is given for a Lease is wrong: an error with its place and what to do, an exit
//! status, and nothing changed.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cluster::{Cluster, NAMESPACE, PORT};
use super::rig::{by_lease, config_with};
use crate::LabGuard;
use crate::suites::cloud::judge::Judge;
use crate::suites::cloud::rig::{CONTROLLER, converged};

pub(super) fn errors(lab: &LabGuard) -> Result<()> {
    let cluster = Cluster::get(lab)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let judge = Judge::begin(lab)?;
    cluster.kubectl(&["-n", NAMESPACE, "create", "serviceaccount", "nobody"])?;
    cluster.kubectl(&["-n", NAMESPACE, "create", "serviceaccount", "reader"])?;
    let verbs = ["--verb=get", "--resource=leases.coordination.k8s.io"];
    let role = ["-n", NAMESPACE, "create", "role", "reader"];
    cluster.kubectl(&[&role[..], &verbs].concat())?;
    let binding = [
        "-n",
        NAMESPACE,
        "create",
        "rolebinding",
        "reader",
        "--role=reader",
    ];
    let subject = format!("--serviceaccount={NAMESPACE}:reader");
    cluster.kubectl(&[&binding[..], &[subject.as_str()]].concat())?;

    let with = |user: &str| cluster.dir.join(format!("{user}.conf"));
    for account in ["nobody", "reader"] {
        cluster.account(account)?;
    }
    cluster.kubeconfig("stranger", "no-such-token")?;
    let text = std::fs::read_to_string(with("admin"))?;
    let elsewhere = text.replace(&PORT.to_string(), "6444");
    std::fs::write(with("elsewhere"), elsewhere)?;

    let lease = |user: &str| {
        let path = with(user);
        move |c: &mut Value| by_lease(c, "kube-bad", &path)
    };
    refused(
        lab,
        "nobody",
        lease("nobody"),
        &["may not get it", "verbs: [get]", "namespace `flatnet`"],
    )?;
    refused(
        lab,
        "reader",
        lease("reader"),
        &["may not update it", "verbs: [update]"],
    )?;
    refused(
        lab,
        "stranger",
        lease("stranger"),
        &["does not accept this process's token"],
    )?;
    refused(
        lab,
        "elsewhere",
        lease("elsewhere"),
        &["127.0.0.1:6444", "is the API server up"],
    )?;
    refused(
        lab,
        "missing",
        lease("missing"),
        &["cannot use the kubeconfig", "missing.conf"],
    )?;
    let nowhere = |c: &mut Value| {
        by_lease(c, "kube-bad", &with("admin"));
        c["lease"]["kubernetes"]["namespace"] = "nowhere".into();
    };
    refused(
        lab,
        "nowhere",
        nowhere,
        &[
            "there is no namespace `nowhere`",
            "lease.kubernetes.namespace",
        ],
    )?;
    let both = |c: &mut Value| {
        by_lease(c, "kube-bad", &with("admin"));
        c["lease"]["file"] = "/tmp/lease".into();
    };
    refused(
        lab,
        "both",
        both,
        &["either `file` or `kubernetes`", "take one of them away"],
    )?;
    judge.nothing_written()?;
    drop(stopped);
    converged(lab)
}

/// `apply` ends with 1 and says this, and the place in its configuration.
fn refused(
    lab: &LabGuard,
    name: &str,
    change: impl FnOnce(&mut Value),
    says: &[&str],
) -> Result<()> {
    let config = config_with(lab, &format!("kube-bad-{name}"), change)?;
    let done = config.command(lab, &["apply"]).output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().last().unwrap_or_default();
    ensure!(
        done.status.code() == Some(1),
        "{name}: {}: {said}",
        done.status
    );
    for words in says {
        ensure!(last.contains(words), "{name}: no `{words}` in: {last}");
    }
    let text = std::fs::read_to_string(&config.path)?;
    let line = text
        .lines()
        .position(|l| l.starts_with("lease:"))
        .context("a lease")?;
    let near = (line + 1)..=(line + 4);
    let place = format!("{}:", config.path.display());
    let at = last.split_once(&place).map(|(_, rest)| rest);
    let at = at.and_then(|rest| rest.split([':', ' ']).next()?.parse::<usize>().ok());
    ensure!(
        at.is_some_and(|at| near.contains(&at)),
        "{name}: no line in: {last}"
    );
    Ok(())
}
