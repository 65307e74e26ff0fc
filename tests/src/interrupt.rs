//! Ctrl-C and SIGTERM as a flag, so that what was raised is also taken down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use thiserror::Error;

/// The work was interrupted by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// Whether a signal has asked this process to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches SIGINT, SIGTERM and SIGHUP from now on. The first sets the flag; the second
    /// of a kind ends the process, for a person who does not want to wait.
    ///
    /// # Errors
    /// If the system refuses a handler.
    pub(crate) fn catch() -> std::io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In this order: the second sees what an earlier signal's first has set.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))?;
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Stops the work if a signal has come.
    ///
    /// # Errors
    /// [`Interrupted`] if so.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        if self.0.load(Ordering::SeqCst) {
            return Err(Interrupted);
        }
        Ok(())
    }
}
