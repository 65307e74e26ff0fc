//! What a pod asks for by annotations: decided at admission, handed over by a real containerd.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::install::CONFLIST;
use super::node::Node;
use super::world::{NODES, World};
use crate::suites::kit::{eventually, output};
use crate::{Lab, LabGuard, netd};

const POLICIES: &str = include_str!("../../../../deploy/kubernetes/admission.yaml");
/// Within so long a policy is in force, and a container that starts anew has written its files.
const IN_FORCE: Duration = Duration::from_secs(60);
/// A namespace whose pods may ask.
const GRANTED: &str = "annotated";
/// Where the pod is to run.
const NODE: &str = "idc1";
/// The network of its configuration.
const NETWORK: &str = "db";
const MAC: &str = "02:aa:00:00:00:77";
/// Bits a second, to the pod.
const RATE: u64 = 20_000_000;

pub(super) fn handed_over(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    switch(
        &world,
        &json!(["cni", "install", "--follow", "--pod-annotations"]),
    )?;
    world.apply("admission.yaml", POLICIES)?;
    world.kubectl(&["create", "namespace", GRANTED])?;
    let may = "flatnet.io/may-ask=ips,mac";
    world.kubectl(&["annotate", "namespace", GRANTED, may])?;
    let address = free_address(lab, &world)?;
    let asked = json!({
        "flatnet.io/ips": address.to_string(),
        "flatnet.io/mac": MAC,
        "kubernetes.io/ingress-bandwidth": RATE.to_string(),
    });
    // Where nothing grants it, it is refused, and the refusal says what would.
    eventually(IN_FORCE, || {
        match create(&world, "default", "refused", &asked) {
            Ok(()) => {
                let gone = ["delete", "pod", "refused", "--force", "--wait=true"];
                world.kubectl(&gone)?;
                bail!("it was let in")
            }
            Err(e) => {
                let said = format!("{e:#}");
                ensure!(said.contains("flatnet.io/may-ask"), "{said}");
                Ok(())
            }
        }
    })?;
    create(&world, GRANTED, "asked", &asked)?;
    world.wait(&["-n", GRANTED, "wait", "--for=condition=Ready", "pod/asked"])?;
    has(&world, address)?;
    unadmitted(&world)?;
    world.kubectl(&["delete", "namespace", GRANTED, "--wait=true"])?;
    let file = world.cluster.dir.join("admission.yaml");
    world.kubectl(&["delete", "-f", &file.display().to_string()])?;
    switch(&world, &json!(["cni", "install", "--follow"]))
}

/// Has the container `cni` of each node started with `args`, and its configuration in place.
fn switch(world: &World, args: &Value) -> Result<()> {
    let containers = json!([{"name": "cni", "args": args}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}}).to_string();
    world.kubectl(&["-n", "flatnet", "patch", "daemonset", "netd", "-p", &patch])?;
    world.wait(&["-n", "flatnet", "rollout", "status", "daemonset/netd"])?;
    let annotations = args.to_string().contains("annotations");
    for name in NODES {
        let node = world.node(name)?;
        let written = eventually(IN_FORCE, || {
            let text = std::fs::read_to_string(node.path(CONFLIST))?;
            ensure!(
                text.contains("io.kubernetes.cri.pod-annotations") == annotations,
                "{name} has {text}"
            );
            Ok(())
        });
        written?;
    }
    Ok(())
}

/// An IPv4 address of the node's range of the network that containers are in, which no container has: the
/// highest one.
fn free_address(lab: &Lab, world: &World) -> Result<IpAddr> {
    let taken: BTreeSet<String> = world
        .node(NODE)?
        .attached()?
        .into_iter()
        .flat_map(|a| a.addresses)
        .filter_map(|a| a.split('/').next().map(str::to_owned))
        .collect();
    let mut hosts = lab.plan().spec.hosts.iter();
    let host = hosts.find(|host| host.name.as_str() == NODE);
    let mut ranges = host.context("the plan has no such host")?.ranges.iter();
    let own = ranges.find(|r| r.network.as_str() == NETWORK && r.prefix.is_ipv4());
    let range = own.context("no range of IPv4")?.prefix;
    // Not the last one, which is the subnet's broadcast address where the range is all of it.
    let all: Vec<IpAddr> = range.iter().collect();
    let mut usable = all.iter().rev().skip(1);
    let free = usable.find(|a| !taken.contains(&a.to_string()));
    free.copied().context("every address is taken")
}

/// Creates a pod on [`NODE`], by `kubectl create`.
fn create(world: &World, namespace: &str, name: &str, annotations: &Value) -> Result<()> {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {
            "nodeName": NODE,
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "c",
                "image": "flatnet.io/lab/busybox:1",
                "imagePullPolicy": "Never",
                "command": ["sleep", "100000"],
            }],
        },
    });
    let file = world.cluster.dir.join(format!("{name}.json"));
    std::fs::write(&file, pod.to_string())?;
    world.kubectl(&["create", "-f", &file.display().to_string()])?;
    Ok(())
}

/// That the pod has what it asked for: as the API server says it, in its namespace, and in netd.
fn has(world: &World, address: IpAddr) -> Result<()> {
    let pod = world.json(&["-n", GRANTED, "get", "pod", "asked"])?;
    ensure!(
        pod["status"]["podIP"] == address.to_string(),
        "it has {}, not {address}",
        pod["status"]["podIP"]
    );
    let node = world.node(NODE)?;
    let own = |a: &super::node::Attached| a.pod.as_ref().is_some_and(|p| p.name == "asked");
    let attached = node.attached()?.into_iter().find(own);
    let netns = node.netns_of(&attached.context("netd does not know it")?)?;
    let mut link = crate::run::command("nsenter");
    link.arg(format!("--net={}", netns.display()));
    let link = output(link.args(["ip", "-j", "link", "show", "dev", "eth0"]))?;
    ensure!(link.contains(MAC), "its link is {link}");
    let limit = limit(node)?;
    ensure!(limit == RATE, "to it pass {limit} bits a second");
    Ok(())
}

/// The pod's rate, bits a second, as netd has it.
fn limit(node: &Node) -> Result<u64> {
    let (_, text) = netd::get(&node.path("/run/flatnet/netd.sock"), "/v1/attachments")?;
    let all: Vec<Value> = serde_json::from_str(&text)?;
    let own = all.iter().find(|a| a["pod"]["name"] == "asked");
    let own = own.context("netd does not know it")?;
    own["bandwidth"]["ingress"]["rate"]
        .as_u64()
        .with_context(|| format!("it has no limit: {own}"))
}

/// A pod has no address, and an event at it says why.
fn refused_at(world: &World, name: &str, why: &str) -> Result<()> {
    eventually(IN_FORCE, || {
        let of = format!("--field-selector=involvedObject.name={name}");
        let events = world.kubectl(&["-n", GRANTED, "get", "events", &of, "-o", "yaml"])?;
        ensure!(events.contains(why), "events: {events}");
        Ok(())
    })?;
    let pod = world.json(&["-n", GRANTED, "get", "pod", name])?;
    let address = &pod["status"]["podIP"];
    ensure!(address.is_null(), "it has the address {address}");
    Ok(())
}

/// A pod that no policy has seen gets no address, and the reason is at the pod.
fn unadmitted(world: &World) -> Result<()> {
    let binding = ["mutatingadmissionpolicybinding", "flatnet-pods"];
    world.kubectl(&[&["delete"][..], &binding].concat())?;
    eventually(IN_FORCE, || {
        let gone = [
            "-n",
            GRANTED,
            "delete",
            "pod",
            "unseen",
            "--force",
            "--ignore-not-found",
        ];
        world.kubectl(&gone)?;
        create(world, GRANTED, "unseen", &json!({}))?;
        let pod = world.json(&["-n", GRANTED, "get", "pod", "unseen"])?;
        let stamp = &pod["metadata"]["annotations"]["flatnet.io/admitted"];
        ensure!(stamp.is_null(), "it is still admitted");
        Ok(())
    })?;
    refused_at(world, "unseen", "flatnet.io/admitted")
}
