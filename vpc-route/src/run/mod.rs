//! The commands.

mod daemon;
mod once;

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};

use crate::cli::{Cli, Colour, Command, Output, Show};
use crate::config::Config;
use crate::controller::Outcome;
use crate::show::{self, Paint};

/// Runs a command; its exit status.
///
/// # Errors
/// What kept it from its work; nothing was changed then.
pub fn main(cli: &Cli) -> Result<u8> {
    flatnet_daemon::log::to_stderr(cli.log_format);
    let config = Config::read(&cli.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        match &cli.command {
            Command::Run(change) => daemon::run(config, *change).await,
            Command::Plan(show) => once::plan(config, *show).await,
            Command::Apply(args) => once::apply(config, args.show).await,
            Command::Adopt(args) => once::adopt(config, args).await,
            Command::Rollback(args) => once::rollback(config, args).await,
        }
    })
}

/// The one place that writes to stdout.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).context("write the output")?;
    out.flush().context("write the output")
}

fn print_outcomes(outcomes: &[Outcome], show: Show) -> Result<()> {
    match show.output {
        Output::Json => print(&format!("{:#}\n", show::json(outcomes))),
        Output::Text => {
            let paint = Paint(match show.color {
                Colour::Always => true,
                Colour::Never => false,
                Colour::Auto => {
                    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
                }
            });
            print(&show::text(outcomes, paint))
        }
    }
}

/// Who this process is in a lease: the host and the process.
fn holder() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    format!("{}/{}", host.to_string_lossy(), std::process::id())
}
