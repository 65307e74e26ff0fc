//! Who else may come by netd's socket.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::LabGuard;
use crate::suites::kit::say;
use crate::suites::rig::{PATIENCE, Rig, Snapshot};

/// A user who is not root.
const NOBODY: u32 = 65_534;
/// So many connect and say nothing: half as many as netd serves at a time.
const SILENT: usize = 500;

/// Directories and a socket that everybody may enter, as an administrator's mistake, until this is
/// dropped.
struct Opened(Vec<(PathBuf, u32)>);

impl Opened {
    fn to(path: &Path) -> Result<Self> {
        let mut opened = Self(Vec::new());
        for part in path.ancestors().filter(|p| p.starts_with("/run/")) {
            let mode = std::fs::metadata(part)?.permissions().mode();
            opened.0.push((part.to_owned(), mode));
            std::fs::set_permissions(part, PermissionsExt::from_mode(0o777))?;
        }
        Ok(opened)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        for (path, mode) in &self.0 {
            let _ = std::fs::set_permissions(path, PermissionsExt::from_mode(*mode));
        }
    }
}

fn ask(socket: &Path, request: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

pub(super) fn on_the_socket(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let netd = lab.netd_pid("idc1")?;
    let socket = rig.node.paths.netd_sock();
    let mode = std::fs::metadata(&socket)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "{} has mode {mode:o}", socket.display());

    let begun = Instant::now();
    let huge = "POST /v1/cni/add HTTP/1.1\r\nHost: netd\r\nContent-Length: 1073741824\r\nConnection: close\r\n\r\n{";
    let answer = ask(&socket, huge)?;
    ensure!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("more than 4194304 bytes"),
        "a body of a gigabyte is answered with {answer}"
    );
    let silent: Vec<UnixStream> = (0..SILENT)
        .map(|_| UnixStream::connect(&socket))
        .collect::<Result<_, _>>()?;
    ask_as_other_user(&rig, &socket)?;
    let mut pod = rig.attach("bi-peers").context("ADD meanwhile")?;
    pod.attached.check()?.ok()?;
    pod.attached.del()?;
    say(&format!(
        "{SILENT} that say nothing, a gigabyte and a stranger: an ADD, a CHECK and a DEL beside them within {:.1} s",
        begun.elapsed().as_secs_f64()
    ));
    drop(silent);
    ensure!(lab.netd_pid("idc1")? == netd, "netd died of it");
    rig.same_as(&before)
}

/// Asks as another user, on a socket that was opened to all by mistake.
fn ask_as_other_user(rig: &Rig, socket: &Path) -> Result<()> {
    // Where the programs are, another user may not enter: a copy where it may.
    let program = rig.node.paths.dir().join("flatctl-of-nobody");
    std::fs::copy(rig.bin.join("flatctl"), &program)?;
    let opened = Opened::to(socket)?;
    let _program = Opened::to(&program)?;
    let mut command = Command::new(&program);
    command.args(["node", "status", "--netd"]).arg(socket);
    let out = command.uid(NOBODY).gid(NOBODY).current_dir("/").output()?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    drop(opened);
    std::fs::remove_file(&program)?;
    ensure!(
        !out.status.success() && said.contains("netd serves root only"),
        "another user is told: {said}{}",
        String::from_utf8_lossy(&out.stdout)
    );
    // Nothing of this took the socket away from root.
    let answer = ask(
        socket,
        "GET /livez HTTP/1.1\r\nHost: netd\r\nConnection: close\r\n\r\n",
    )?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "root is told {answer}");
    Ok(())
}

/// Fails unless `work` is over within the time that something immediate may take.
pub(super) fn at_once<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let done = work()?;
    let took = begun.elapsed();
    ensure!(took < Duration::from_secs(20), "{what} took {took:?}");
    Ok(done)
}
