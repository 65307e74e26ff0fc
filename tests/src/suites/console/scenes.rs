//! What is played, and what has to be true in the clusters afterwards.

use anyhow::{Result, bail, ensure};

use super::stage::{on_stage, serving, strike};
use crate::LabGuard;
use crate::suites::platform::desk::Desk;
use crate::suites::platform::world;

/// A scene that asks for nothing.
fn nothing(_: &mut Desk, wish: &str) -> Result<()> {
    bail!("nobody does {wish:?} here")
}

pub(super) fn look(lab: &LabGuard) -> Result<()> {
    on_stage(lab, |stage| stage.play("look", nothing))
}

pub(super) fn release(lab: &LabGuard) -> Result<()> {
    on_stage(lab, |stage| {
        stage.play("release", nothing)?;
        let status = stage.desk.world.status("web-2")?;
        ensure!(status["phase"] == "Holding", "web-2 is {status}");
        serving(&stage.desk.world, 4)
    })
}

pub(super) fn abort_and_back(lab: &LabGuard) -> Result<()> {
    on_stage(lab, |stage| {
        stage.play("abort", nothing)?;
        // The rollback acts now; what it superseded tells that it was aborted before.
        let status = stage.desk.world.status("web-3")?;
        let mut history = status["history"].as_array().into_iter().flatten();
        ensure!(
            history.any(|entry| entry["phase"] == "Aborted"),
            "web-3 is {status}"
        );
        let status = stage.desk.world.status("web-4")?;
        ensure!(status["phase"] == "Holding", "web-4 is {status}");
        serving(&stage.desk.world, 4)
    })
}

pub(super) fn numbers(lab: &LabGuard) -> Result<()> {
    on_stage(lab, |stage| {
        stage.play("numbers", |desk, wish| match wish {
            "six serve" => serving(&desk.world, 6),
            "four serve" => serving(&desk.world, 4),
            other => bail!("nobody does {other:?} here"),
        })
    })
}

pub(super) fn away(lab: &LabGuard) -> Result<()> {
    on_stage(lab, |stage| {
        let mut stopped = None;
        let played = stage.play("away", |desk, wish| {
            stopped = wish.strip_prefix("stop ").map(str::to_owned);
            match wish {
                "stop the hub" => desk.world.hub.kill_server(),
                "start the hub" => desk.world.hub.start_server().map(drop),
                "stop the API" => desk.stop(),
                "start the API" => desk.start(),
                other => bail!("nobody does {other:?} here"),
            }
        });
        // A scene that failed leaves them away, and those that follow want them.
        match stopped.as_deref() {
            Some("the hub") => stage.desk.world.hub.start_server().map(drop)?,
            Some("the API") => stage.desk.start()?,
            _ => {}
        }
        played
    })
}

pub(super) fn accessible(lab: &LabGuard) -> Result<()> {
    on_stage(lab, |stage| stage.play("accessible", nothing))
}

pub(super) fn nothing_left(lab: &LabGuard) -> Result<()> {
    strike()?;
    world::nothing_left(lab)
}
