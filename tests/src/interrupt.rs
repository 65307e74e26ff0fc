//! Ctrl-C and SIGTERM as a flag, so that what was raised is also taken down.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use thiserror::Error;

/// The work was interrupted by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// What a shell takes for a death by SIGINT; the second signal of a kind ends so by itself.
const INTERRUPTED: u8 = 130;

/// How to end after work that was done well, or not, or was interrupted.
///
/// # Errors
/// Every error of the work that is no interruption.
pub(crate) fn exit_code(outcome: anyhow::Result<bool>) -> anyhow::Result<ExitCode> {
    match outcome {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) if error.is::<Interrupted>() => Ok(ExitCode::from(INTERRUPTED)),
        Err(error) => Err(error),
    }
}

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
            signal_hook::flag::register_conditional_shutdown(
                signal,
                INTERRUPTED.into(),
                Arc::clone(&flag),
            )?;
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

    /// Waits so long, or until a signal comes.
    ///
    /// # Errors
    /// [`Interrupted`] if one did.
    pub(crate) fn sleep(&self, time: Duration) -> Result<(), Interrupted> {
        const LOOK: Duration = Duration::from_millis(100);
        let end = Instant::now() + time;
        loop {
            self.check()?;
            match end.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Ok(()),
                left => std::thread::sleep(left.min(LOOK)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn an_interruption_is_told_from_a_failure() {
        let shown = |outcome| format!("{:?}", exit_code(outcome).ok());
        let code = |code: u8| format!("{:?}", Some(ExitCode::from(code)));
        assert_eq!(shown(Ok(true)), code(0));
        assert_eq!(shown(Ok(false)), code(1));
        assert_eq!(
            shown(Err(Interrupted).context("while attaching")),
            code(130)
        );
        assert_eq!(shown(Err(anyhow!("no lab"))), "None");
    }

    #[test]
    fn nothing_is_interrupted_before_a_signal_comes() {
        assert_eq!(Interrupt::default().check(), Ok(()));
    }
}
