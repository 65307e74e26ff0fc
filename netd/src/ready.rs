//! `netd ready`: for a probe that runs a program (`exec`), since netd serves a unix socket.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::ask;

/// Whom to ask, and what.
#[derive(Debug, Args)]
pub struct ReadyArgs {
    /// The socket of this node's netd.
    #[arg(long, value_name = "PATH", default_value = "/run/flatnet/netd.sock")]
    socket: PathBuf,
    /// Only whether netd answers at all, ready or not.
    #[arg(long)]
    live: bool,
}

/// Asks.
///
/// # Errors
/// netd does not answer, or says what it lacks.
pub(crate) fn run(args: &ReadyArgs) -> Result<()> {
    let path = if args.live { "/livez" } else { "/readyz" };
    let answer = ask::get(&args.socket, path)?;
    if answer.status != 200 {
        bail!("{}", answer.body.trim());
    }
    Ok(())
}
