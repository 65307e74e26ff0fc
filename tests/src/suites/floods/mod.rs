//! `floods`: a container that sends whatever costs the node's slow path most, as fast as it can, and
//! the others of its node, which must not feel it (ADR 29).
//!
//! ```text
//!   [kinds] frames ──▶ [scene] a container floods; two ping; one comes and goes ──▶ bounded?
//! ```
//!
//! What is judged is what passed the meter and what the datapath had to remember, not how long
//! anything took: `flatnet-lab bench floods` measures that.

mod kinds;
mod scene;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

pub(crate) use self::kinds::Kind;
pub(crate) use self::scene::Scene;
use super::kit::{eventually, say};
use super::{Check, Suite};
use crate::LabGuard;
use crate::process::ProcessId;

/// Frames of each flood.
const FRAMES: u64 = 8_192;
/// What shows that nothing bounds them: at this rate a switch decides on many more than the meter
/// would let through, and its queues do not drop most of them before.
const MANY: u64 = 32_768;
const EACH_SECOND: u32 = 8_000;
/// How long netd may take to name what floods; it looks every five seconds.
const NAMED: Duration = Duration::from_secs(30);

pub(super) const SUITE: Suite = Suite {
    name: "floods",
    about: "what one container may cost the slow path, and that the others do not feel it",
    checks: &[
        Check {
            sentence: "whatever a container floods with is bounded and named, and others ping, come and go meanwhile",
            run: each,
        },
        Check {
            sentence: "without the flows of the meter a flood is not bounded",
            run: without_meter,
        },
    ],
};

fn each(lab: &LabGuard) -> Result<()> {
    let scene = Scene::attach(lab)?;
    let mut wrong = Vec::new();
    let (metered, rest): (Vec<Kind>, Vec<Kind>) =
        Kind::ALL.into_iter().partition(|kind| kind.is_metered());
    let before = scene.dropped()?;
    for kind in metered {
        wrong.extend(flood(&scene, kind)?);
    }
    let dropped = scene.dropped()?.saturating_sub(before);
    ensure!(dropped > 0, "no frame was counted as dropped by a meter");
    let look = || scene.named()?.context("no problem names the flood");
    let (text, _) = eventually(NAMED, look)?;
    let id = scene.flooder.id();
    ensure!(text.contains(id), "{id} is not named: {text}");
    let (status, why) = crate::netd::get(&scene.node.paths.netd_sock(), "/readyz")?;
    ensure!(status == 200, "the node is not ready: {why}");
    for kind in rest {
        wrong.extend(flood(&scene, kind)?);
    }
    let over = || {
        let still = scene.named()?;
        ensure!(still.is_none(), "{still:?}");
        Ok(())
    };
    eventually(NAMED, over)?;
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    scene.flooder.check()
}

/// Floods with one kind; what is wrong with it.
fn flood(scene: &Scene<'_>, kind: Kind) -> Result<Vec<String>> {
    let flood = scene.flood(kind, FRAMES, 0, 1)?;
    say(&format!(
        "{:<22} {:>6} frames, {:>5} decided, {:>5} misses, {:>4} flows",
        kind.name(),
        flood.sent,
        flood.decided,
        flood.missed,
        flood.flows
    ));
    let lossless = flood.pings.lossless().context(kind.name()).err();
    let all = lossless.into_iter().chain(flood.is_bounded(scene).err());
    Ok(all.map(|e| format!("{e:#}")).collect())
}

/// netd, standing still until this is dropped: it would put the flows back.
struct Stopped(ProcessId);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.signal(Signal::SIGCONT);
    }
}

fn without_meter(lab: &LabGuard) -> Result<()> {
    let scene = Scene::attach(lab)?;
    {
        let netd = lab.netd_pid(&scene.node.name)?;
        netd.signal(Signal::SIGSTOP)?;
        let _stopped = Stopped(netd);
        scene.take_meter_out()?;
        let flood = scene.flood(Kind::ArpAny, MANY, EACH_SECOND, 0)?;
        let unbounded = flood.is_bounded(&scene).err();
        let why = unbounded.context("a flood past the meter was not noticed")?;
        say(&format!("{why:#}"));
    }
    lab.wait_ready(&scene.node.name, NAMED)?;
    // netd puts the flows back by itself.
    let back = || scene.flood(Kind::ArpAny, FRAMES, 0, 0)?.is_bounded(&scene);
    eventually(NAMED, back)?;
    Ok(())
}
