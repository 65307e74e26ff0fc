//! A peer: the same application by a Deployment of Kubernetes, in the cluster of the data centre. What it costs is printed and
//! not judged; the platform's own figures are those of the checks before.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::load::{Load, Place};
use super::scenes::RATE;
use super::shop::{PORT, container};
use super::world::{Member, SOON, World};
use crate::LabGuard;
use crate::suites::kit::{eventually, say};

const NAME: &str = "peer";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
const SERVICES: &str = "/api/v1/namespaces/shop/services";

/// Where the rolling update is.
fn ready(member: &Member, digest: &str) -> Result<(usize, usize)> {
    let pods = member.api.items(&format!(
        "/api/v1/namespaces/shop/pods?labelSelector=app%3D{NAME}"
    ))?;
    let is_ready = |pod: &&Value| {
        let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        conditions.any(|c| c["type"] == "Ready" && c["status"] == "True")
            && pod["metadata"]["deletionTimestamp"].is_null()
    };
    let of = |pod: &&Value| {
        let image = pod["spec"]["containers"][0]["image"].as_str();
        image.is_some_and(|i| i.ends_with(digest))
    };
    Ok((pods.iter().filter(is_ready).filter(of).count(), pods.len()))
}

/// Waits until the first and then all are Ready, and those of before are gone; how long that took.
fn rolled(member: &Member, digest: &str, wanted: usize) -> Result<(Duration, Duration)> {
    let begun = Instant::now();
    let (_, first) = eventually(SOON, || {
        ensure!(ready(member, digest)?.0 > 0, "none is Ready");
        Ok(())
    })?;
    eventually(SOON, || {
        let (ready, all) = ready(member, digest)?;
        ensure!(
            ready == wanted && all == wanted,
            "{ready} of {wanted} are Ready, {all} are there"
        );
        Ok(())
    })?;
    Ok((first, begun.elapsed()))
}

pub(super) fn beside(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let member = world.members.first().context("there is no cluster")?;
    let count = world.instances / 2;
    let pod = |digest: &str| {
        let mut container = container();
        container["image"] = json!(format!("flatnet.io/lab/shop@{digest}"));
        json!({
            "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 15, "containers": [container],
        })
    };
    let deployment = json!({
        "metadata": {"name": NAME},
        "spec": {
            "replicas": count, "selector": {"matchLabels": {"app": NAME}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "50%"}},
            "template": {"metadata": {"labels": {"app": NAME}}, "spec": pod(&world.digests[0])},
        },
    });
    member.api.post(DEPLOYMENTS, &deployment)?;
    let service = json!({"metadata": {"name": NAME},
        "spec": {"selector": {"app": NAME}, "ports": [{"port": PORT}]}});
    let service = member.api.post(SERVICES, &service)?;
    let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
    let service: Ipv4Addr = address.parse().context("the Service's address")?;
    rolled(member, &world.digests[0], count)?;
    let node = member.nodes.first().context("it has no node")?;
    let place = Place {
        name: format!("a user on {}", node.name),
        netns: lab.member(&node.name)?.netns_path(),
        service,
    };
    let load = Load::start(&[place], RATE);
    for (words, digest) in [("forward", 1), ("back", 0)] {
        load.phase(&format!("Deployment {words}"));
        let digest = &world.digests[digest];
        let patch = json!({"spec": {"template": {"spec": pod(digest)}}});
        member.api.merge(&format!("{DEPLOYMENTS}/{NAME}"), &patch)?;
        let (first, all) = rolled(member, digest, count)?;
        say(&format!(
            "Deployment {words}: the first of {count} Ready after {first:.1?}, all after {all:.1?}"
        ));
    }
    let (requests, failed, words) = load.stop()?;
    say(&format!(
        "Deployment: {failed} of {requests} requests failed {words:?}"
    ));
    member.api.delete(&format!("{SERVICES}/{NAME}"))?;
    let deployment = format!("{DEPLOYMENTS}/{NAME}?propagationPolicy=Background");
    member.api.delete(&deployment).map(drop)
}
