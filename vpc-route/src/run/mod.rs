//! The commands.

mod daemon;
mod once;
mod serve;

use std::io::{IsTerminal, Write};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::cli::{Cli, Colour, Command, Output, Show};
use crate::config::Config;
use crate::controller::{Controller, Outcome};
use crate::lease::{Lease, LeaseFile, millis};
use crate::show::{self, Head, Paint};

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

fn print_outcomes(controller: &Controller, outcomes: &[Outcome], show: Show) -> Result<()> {
    match show.output {
        Output::Json => print(&format!("{:#}\n", document(controller, outcomes))),
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

/// What the tables are, for programs.
fn document(controller: &Controller, outcomes: &[Outcome]) -> serde_json::Value {
    let config = &controller.config;
    let lease = LeaseFile::new(config.lease_file(), holder(), config.lease());
    let living = |lease: &Lease| lease.expires > millis(SystemTime::now());
    // A lease that cannot be read is told of by who wants to take it.
    let lease = lease.read().ok().flatten().filter(living);
    let head = Head {
        cluster: &config.cluster,
        config: &config.path,
        leader: lease.map(|lease| lease.holder),
        at: controller.now(),
    };
    show::json(&head, outcomes)
}

/// Who this process is in a lease: the host and the process.
fn holder() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    format!("{}/{}", host.to_string_lossy(), std::process::id())
}
