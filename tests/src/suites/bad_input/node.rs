//! A node that is not as it should be.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{Victim, refused};
use crate::LabGuard;
use crate::suites::kit::{eventually, say};
use crate::suites::rig::{Changed, PATIENCE, Pod, Rig, Snapshot};
use crate::traces;

/// So many addresses does the small range have.
const SMALL: usize = 4;

pub(super) fn full_range(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    // Longer than the calls between take on a busy machine.
    let small = Changed::with_small_range(lab, "idc1", &["--rest", "6"])?;
    let mut pods: Vec<Pod> = (0..SMALL)
        .map(|n| {
            // What other checks had may rest as well.
            let attach = || rig.attach(&format!("bi-full{n}"));
            Ok(eventually(PATIENCE, attach)?.0)
        })
        .collect::<Result<_>>()?;
    let victim = Victim::of(&rig, "bi-full-last")?;
    let ns = &victim.ns;
    let full = Snapshot::take(&rig)?;
    let which = ["web", "10.100.16.0/30", "4 used", "of 4"];
    rig.call("ADD", ns).run()?.refused(105, &which)?;
    rig.same_as(&full)
        .context("an ADD without a free address")?;
    pods[0].attached.del()?;
    let resting = rig.call("ADD", ns).run()?;
    resting
        .refused(11, &["web", "10.100.16.0/30", "1 resting"])
        .context("an ADD while the only free address rests")?;
    let (served, took) = eventually(PATIENCE, || rig.add(ns, "eth0", |call| call))?;
    say(&format!(
        "served {:.1} s after a DEL, with a rest of 6 s",
        took.as_secs_f64()
    ));
    drop(served);
    drop(pods);
    small.back()?;
    rig.same_as(&before)
}

pub(super) fn bridge(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let mut pod = rig.attach("bi-bridge")?;
    let victim = Victim::of(&rig, "bi-bridge-new")?;
    let ns = &victim.ns;
    rig.vsctl(&["del-br", "br-flat"])?;
    let mut refusals = 0;
    let (tried, took) = eventually(PATIENCE, || {
        let added = rig.call("ADD", ns).run()?;
        // What a runtime does, whatever came of it.
        rig.call("DEL", ns).run()?.ok().context("DEL")?;
        if added.ok().is_ok() {
            return Ok(Ok(()));
        }
        refusals += 1;
        match refused(&added, &[11]) {
            Ok(object) => bail!("{object}"),
            // Not an error to try again: no matter how often it is tried.
            Err(e) => Ok(Err(e)),
        }
    })?;
    tried.context("ADD without a bridge")?;
    say(&format!(
        "served {:.2} s after the bridge was deleted; {refusals} ADDs were told to try again",
        took.as_secs_f64()
    ));
    eventually(PATIENCE, || pod.attached.check()?.ok()).context("CHECK of who was there before")?;
    pod.exec(
        "ping",
        &["-n", "-c", "2", "-i", "0.2", "-W", "5", "10.100.0.1"],
    )?;
    traces::nothing_astray(&rig.node, PATIENCE)?;
    pod.attached.del()?;
    traces::nothing_left(&rig.node, PATIENCE)?;
    Ok(())
}

pub(super) fn garbage(lab: &LabGuard) -> Result<()> {
    const HALF_OPEN: usize = 64;
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let process = lab.netd_pid("idc1")?;
    let socket = rig.node.paths.netd_sock();
    let long = "x".repeat(1 << 20);
    let header = |h: &str| format!("POST /v1/cni/add HTTP/1.1\r\nHost: netd\r\n{h}\r\n\r\n");
    let sent: Vec<Vec<u8>> = vec![
        vec![0; 65536],
        (0..=255).cycle().take(65536).collect(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        format!("GET /{long} HTTP/1.1\r\n\r\n").into_bytes(),
        header(&format!("X: {long}")).into_bytes(),
        header("Content-Length: 99999999999999999999").into_bytes(),
        header("Content-Length: -1").into_bytes(),
        header("Content-Length: 5\r\nContent-Length: 6").into_bytes(),
        header("Transfer-Encoding: chunked").into_bytes(),
        [header("Content-Length: 7").as_bytes(), b"\xff\xfe{}{}["].concat(),
        [header("Content-Length: 2").as_bytes(), b"{}"].concat(),
        b"GET /v1/../../etc/passwd HTTP/1.1\r\nHost: netd\r\n\r\n".to_vec(),
    ];
    // Some never finish what they began.
    let half: Vec<UnixStream> = (0..HALF_OPEN)
        .map(|_| {
            let mut stream = UnixStream::connect(&socket)?;
            stream.write_all(
                b"POST /v1/cni/add HTTP/1.1\r\nHost: netd\r\nContent-Length: 100\r\n\r\n{",
            )?;
            Ok(stream)
        })
        .collect::<Result<_>>()?;
    for bytes in &sent {
        let mut stream = UnixStream::connect(&socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.set_write_timeout(Some(Duration::from_secs(2)))?;
        // netd may close before it has read all.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        ensure!(
            !answer.starts_with("HTTP/1.1 2") && !answer.starts_with("HTTP/1.1 5"),
            "{:?} is answered with {answer}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(60)])
        );
    }
    let mut pod = rig.attach("bi-garbage").context("ADD meanwhile")?;
    pod.attached.check()?.ok()?;
    pod.attached.del()?;
    drop(half);
    ensure!(lab.netd_pid("idc1")? == process, "netd died of it");
    rig.same_as(&before)
}
