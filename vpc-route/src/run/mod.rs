//! The commands.

mod daemon;
mod health;
mod once;
mod serve;

use anyhow::{Context, Result};
use std::io::{IsTerminal, Write};

use flatnet_leader::Election;
use flatnet_types::tables::Tables;

use crate::cli::{Cli, Colour, Command, Output, Show};
use crate::config::Config;
use crate::controller::{Controller, Outcome};
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

/// The lease is read where it is shown.
async fn print_outcomes(
    controller: &Controller,
    election: Option<&Election>,
    outcomes: &[Outcome],
    show: Show,
) -> Result<()> {
    match show.output {
        Output::Json => {
            let document = document(controller, election, outcomes).await;
            print(&format!("{}\n", serde_json::to_string_pretty(&document)?))
        }
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
async fn document(
    controller: &Controller,
    election: Option<&Election>,
    outcomes: &[Outcome],
) -> Tables {
    let config = &controller.config;
    // A lease that cannot be read is reported by the process that tries to take it.
    let leader = match election {
        Some(election) => election.leader().await,
        None => None,
    };
    let head = Head {
        cluster: &config.cluster,
        config: &config.path,
        leader,
        at: controller.now(),
    };
    show::document(&head, outcomes)
}
