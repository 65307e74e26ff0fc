//! Running a command in a member of the lab.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

use crate::error::{Error, Result};
use crate::lab::{Lab, Member, running};
use crate::{ovs, run};

/// Becomes a command inside a member: its exit code, its terminal and its signals are the
/// command's own. Comes back only if that fails.
///
/// # Errors
/// [`Error::UnknownMember`], [`Error::Io`] for the namespace, [`Error::Spawn`].
pub(crate) fn exec(lab: &Lab, member: &str, argv: &[String]) -> Result<std::convert::Infallible> {
    let member = lab.member(member)?;
    let path = member.netns_path();
    let handle = fs::File::open(&path).map_err(Error::io("open", &path))?;
    setns(handle, CloneFlags::CLONE_NEWNET).map_err(|e| Error::io("enter", &path)(e.into()))?;
    usual_names(&member);
    let shell = ["bash".to_owned()];
    let argv = if argv.is_empty() { &shell } else { argv };
    let own = format!(
        "{}:{}",
        lab.layout().bin_dir().display(),
        run::search_path()
    );
    let source = Command::new(&argv[0])
        .args(&argv[1..])
        .envs(ovs::environment(&member.paths))
        .env("PATH", own)
        .env("CNI_PATH", lab.layout().bin_dir())
        .env("FLATNET_LAB_MEMBER", &member.name)
        .exec();
    Err(Error::Spawn {
        command: argv.join(" "),
        source,
    })
}

/// `ovs-appctl` without `-t` looks for names that have the PID in them: links lead there.
fn usual_names(member: &Member) {
    let dir = member.paths.ovs_dir();
    for (daemon, pid_file, control) in [
        ("ovs-vswitchd", member.paths.vswitchd_pid(), "vswitchd.ctl"),
        ("ovsdb-server", member.paths.ovsdb_pid(), "ovsdb.ctl"),
    ] {
        if let (Some(process), Some(file)) = (running(member, &pid_file), pid_file.file_name()) {
            // They are a convenience, and there already the second time.
            let _ = symlink(file, dir.join(format!("{daemon}.pid")));
            let _ = symlink(control, dir.join(format!("{daemon}.{}.ctl", process.pid)));
        }
    }
}
