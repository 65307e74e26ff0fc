//! How a move ends: by its gates, by the plan's word, by a power cut.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::PATIENCE;
use super::host::{API_SERVER, Host};
use super::wiring::Wiring;
use crate::LabGuard;
use crate::suites::kit::{eventually, say};

pub(super) fn api_server(lab: &LabGuard) -> Result<()> {
    let host = Host::raise(lab, Wiring::Untagged)?;
    let before = host.snapshot()?;
    let asks = ["--api-server", API_SERVER];
    let failed = host.netd("migrate", &asks);
    let text = format!("{:#}", failed.err().context("it was kept")?);
    ensure!(text.contains(API_SERVER), "{text}");
    host.is(&before)?;
    let server = host.api_server()?;
    host.netd("migrate", &asks)?;
    host.is_moved()?;
    drop(server);
    host.netd("rollback", &[])?;
    host.is(&before)
}

pub(super) fn auto(lab: &LabGuard) -> Result<()> {
    let mut host = Host::raise(lab, Wiring::Untagged)?;
    let before = host.snapshot()?;
    host.edit_plan(
        "uplink: {interface: eth0,",
        "uplink: {migrate: auto, interface: eth0,",
    )?;
    let pings = host.pings()?;
    host.start_netd()?;
    eventually(PATIENCE, || host.is_moved().and_then(|()| host.is_ready()))?;
    say(&format!("{} of the pings of 10 ms lost", pings.lost()?));
    host.stop_netd()?;
    host.is_moved().context("without netd")?;
    host.netd("rollback", &[])?;
    host.is(&before)?;
    // In this boot somebody has undone it: it stays so.
    host.start_netd()?;
    eventually(PATIENCE, || {
        let problems = host.problems()?;
        let found = problems.iter().any(|p| p.code == "uplink-bears-addresses");
        ensure!(found, "{problems:?}");
        Ok(())
    })?;
    ensure!(
        host.is_ready().is_err(),
        "ready with an uplink that is refused"
    );
    host.is(&before)
}

/// When the power is cut.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So many milliseconds after the mover began.
    After(u64),
    /// When the NIC is a port of the bridge: in the middle of the steps.
    InTheBridge,
    /// While it waits for somebody to confirm.
    Unconfirmed,
}

pub(super) fn power_cut(lab: &LabGuard) -> Result<()> {
    use Moment::{After, InTheBridge, Unconfirmed};
    for moment in [After(40), After(120), InTheBridge, InTheBridge, Unconfirmed] {
        let mut host = Host::raise(lab, Wiring::Untagged)?;
        let mover = host.begin("migrate", &["--confirm-within", "600"])?;
        match moment {
            After(milliseconds) => std::thread::sleep(Duration::from_millis(milliseconds)),
            InTheBridge => eventually(PATIENCE, || host.has_port("eth0")).map(drop)?,
            Unconfirmed => eventually(PATIENCE, || host.is_moved()).map(drop)?,
        }
        host.cut_power(mover)?;
        let said = host.reboot()?;
        let after = || format!("cut {moment:?}, the boot step said: {said}");
        if !matches!(moment, After(_)) {
            ensure!(said.contains("taken out of br-flat: eth0"), "{}", after());
        }
        host.reachable().with_context(after)?;
        host.netd("migrate", &[]).with_context(after)?;
        host.is_moved().with_context(after)?;
    }
    Ok(())
}
