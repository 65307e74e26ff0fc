//! A boot of the suite's host, and the power cut before it.

use std::fs;
use std::process::Child;

use anyhow::Result;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::host::{Host, sweep};
use super::wiring::wire;

impl Host {
    /// What a reboot leaves: the database and netd's state. The boot step runs, then the switch
    /// and the distribution's scripts. Gives what the boot step said.
    pub(super) fn reboot(&mut self) -> Result<String> {
        self.stop();
        sweep();
        wire(self.wiring)?;
        let id = self.paths.dir().join("boot_id");
        self.boots += 1;
        fs::write(&id, format!("00000000-0000-0000-0000-{:012}\n", self.boots))?;
        self.boot_id = Some(id);
        let conf_db = self.paths.ovs_db().display().to_string();
        let said = self.netd("boot", &["--conf-db", &conf_db])?;
        self.start_switch()?;
        self.scripts()?;
        Ok(said)
    }

    /// Ends a mover and its guard as a power cut does: neither has a last word.
    pub(super) fn cut_power(&self, mut mover: Child) -> Result<()> {
        let state = self.paths.dir().join("state").display().to_string();
        let is_guard = |line: &[u8]| {
            let words: Vec<_> = line.split(|b| *b == 0).collect();
            words.contains(&b"guard".as_slice()) && words.contains(&state.as_bytes())
        };
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            let pid = path.file_name().and_then(|n| n.to_str()?.parse().ok());
            if let (Some(pid), true) = (pid, is_guard(&line)) {
                // One that has just ended needs no kill.
                let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        mover.kill()?;
        mover.wait()?;
        Ok(())
    }
}
