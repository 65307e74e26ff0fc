//! The supervisor: keeps the lab's daemons alive, as systemd would on a real node.
//!
//! ```text
//!   units.json ──▶ supervise ──▶ one thread a unit ──▶ launch ──exec──▶ ovsdb-server, …
//!                     ▲                 │ ended? wait a moment, start again
//!        SIGHUP, SIGTERM                └──▶ PID file
//! ```
//!
//! It lives in a namespace of its own, so that it is found even when its state directory
//! is lost, and its daemons die with it (`PR_SET_PDEATHSIG`): there are no orphans.

mod backoff;
mod control;
mod daemon;
pub(crate) mod launch;
mod unit;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{SigSet, Signal};

use crate::error::{Error, Result};
use crate::paths::Layout;
use crate::process::poll;
pub(crate) use control::{begin, hang_up};
use daemon::Daemon;
pub(crate) use unit::{Stage, Unit, read_units, write_units};

/// Longer than any lock that is not a supervisor's.
const MOMENT: Duration = Duration::from_millis(500);

/// Runs until SIGTERM; SIGHUP makes it read its units again.
///
/// # Errors
/// [`Error::Locked`] where another supervisor runs; [`Error::Io`], [`Error::Json`] for the
/// list of units.
pub(crate) fn supervise(layout: &Layout) -> Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    // Before any thread starts: they inherit it, and `launch` gives it back to the daemons.
    signals
        .thread_block()
        .map_err(|e| Error::io("block signals in", layout.root())(e.into()))?;
    let _alone = claim(layout)?;
    let log = Log::default();
    log.line(&format!("supervisor {} begins", std::process::id()));
    let mut daemons = BTreeMap::new();
    reconcile(layout, &mut daemons, &log)?;
    loop {
        match signals.wait() {
            Ok(Signal::SIGHUP) => {
                if let Err(e) = reconcile(layout, &mut daemons, &log) {
                    log.line(&format!("the units stay as they are: {e}"));
                }
            }
            Ok(signal) => {
                log.line(&format!("{signal}: ending everything"));
                stop(daemons);
                log.line("ended");
                return Ok(());
            }
            Err(e) => log.line(&format!("waiting for signals: {e}")),
        }
    }
}

/// Whether a supervisor holds its PID file.
pub(crate) fn is_running(layout: &Layout) -> bool {
    let Ok(file) = File::open(layout.supervisor_pid()) else {
        return false;
    };
    matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
}

/// Writes the PID file and keeps it locked: a second supervisor is refused.
fn claim(layout: &Layout) -> Result<File> {
    let path = layout.supervisor_pid();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    // Whoever asks whether a supervisor runs holds the lock for a moment.
    if poll(MOMENT, || file.try_lock().ok()).is_none() {
        return Err(Error::Locked {
            path,
            holder: "another supervisor".into(),
            after: MOMENT,
        });
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(Error::io("write", &path))?;
    Ok(file)
}

/// Makes the running daemons those of the list: new ones start, lost ones end, changed
/// ones do both.
fn reconcile(layout: &Layout, daemons: &mut BTreeMap<String, Daemon>, log: &Log) -> Result<()> {
    let wanted = read_units(&layout.units())?;
    let launcher = layout.bin("flatnet-lab");
    let mut ending = BTreeMap::new();
    for (name, daemon) in std::mem::take(daemons) {
        if wanted.iter().any(|u| u == daemon.unit()) {
            daemons.insert(name, daemon);
        } else {
            ending.insert(name, daemon);
        }
    }
    stop(ending);
    for unit in wanted {
        if !daemons.contains_key(&unit.name) {
            let name = unit.name.clone();
            daemons.insert(name, Daemon::start(unit, &launcher, log.clone()));
        }
    }
    Ok(())
}

/// Ends daemons stage by stage: those that use others first.
fn stop(daemons: BTreeMap<String, Daemon>) {
    let mut stages: BTreeMap<Stage, Vec<Daemon>> = BTreeMap::new();
    for daemon in daemons.into_values() {
        stages.entry(daemon.unit().stage).or_default().push(daemon);
    }
    for stage in stages.into_values() {
        Daemon::stop_all(stage);
    }
}

/// The supervisor's log: its standard error, which `up` points at a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<()>>);

impl Log {
    /// Writes one line with the time.
    pub(crate) fn line(&self, text: &str) {
        let _whole = self.0.lock();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        // A log that cannot be written must not end the daemons.
        let _ = writeln!(
            std::io::stderr(),
            "{}.{:03} {text}",
            now.as_secs(),
            now.subsec_millis()
        );
    }
}
