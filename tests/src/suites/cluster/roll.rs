//! An upgrade of netd, as Kubernetes does it.

use std::time::Instant;

use anyhow::{Context, Result};

use super::world::{Pod, World};
use crate::LabGuard;
use crate::suites::kit::pings::Stream;
use crate::suites::kit::{output, say};

/// The image of the manifest, and the same by the name of a later version.
const IMAGES: [&str; 2] = ["flatnet.io/netd:0.1.0", "flatnet.io/netd:0.1.1"];

pub(super) fn lossless(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world.kubectl(&["scale", "deployment/web", "--replicas=6"])?;
    world.wait(&["rollout", "status", "deployment/web"])?;
    for node in &world.nodes {
        let tagged = node.ctr(&["images", "tag", IMAGES[0], IMAGES[1]]);
        tagged.with_context(|| format!("on {}", node.name))?;
    }
    let pods = world.pods("web")?;
    let on = |node: &str| -> Result<&Pod> {
        let found = pods.iter().find(|pod| pod.node == node);
        found.with_context(|| format!("no pod on {node}"))
    };
    let streams = [("idc1", "idc2"), ("idc2", "vpc1"), ("vpc1", "idc1")];
    let streams = streams.map(|(from, to)| ping(&world, on(from)?, on(to)?));
    let streams = streams.into_iter().collect::<Result<Vec<_>>>()?;
    let begun = Instant::now();
    let image = format!("*={}", IMAGES[1]);
    world.kubectl(&["-n", "flatnet", "set", "image", "daemonset/netd", &image])?;
    world.wait(&["-n", "flatnet", "rollout", "status", "daemonset/netd"])?;
    let took = begun.elapsed();
    let (mut sent, mut gap) = (0, std::time::Duration::ZERO);
    for stream in streams {
        let outcome = stream.finish()?;
        outcome.lossless()?;
        (sent, gap) = (sent + outcome.sent, gap.max(outcome.gap));
    }
    say(&format!(
        "rolled over in {took:.1?}: 0 of {sent} pings lost, the longest gap {gap:.0?}"
    ));
    Ok(())
}

fn ping(world: &World, from: &Pod, to: &Pod) -> Result<Stream> {
    let netns = world.netns(from)?;
    let mut command = crate::run::command("nsenter");
    command
        .arg(format!("--net={}", netns.display()))
        .arg("ping");
    // The first one resolves what is to be resolved.
    let mut first = crate::run::command("nsenter");
    first.arg(format!("--net={}", netns.display()));
    first.args(["ping", "-n", "-c", "1", "-W", "5", &to.address.to_string()]);
    output(&mut first)?;
    Stream::by(command, &from.name, to.address, "0.02")
}
