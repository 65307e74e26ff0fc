//! The command line, executed.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use flatnet_daemon::LogFormat;

use crate::cli::{Cli, Command};
use crate::run::run;
use crate::{cni_files, preflight, ready, start};

/// The program: executes the command line. Prints errors to standard error.
pub fn main() -> ExitCode {
    match run_command(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("netd: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_command(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Derive(args) => {
            let spec = start::derive(&args)?;
            let text = serde_json::to_string_pretty(&spec)?;
            std::io::Write::write_all(&mut std::io::stdout(), format!("{text}\n").as_bytes())?;
            Ok(())
        }
        Command::Preflight(args) => preflight::run(&args),
        Command::Ready(args) => ready::run(&args),
        Command::Cni(command) => {
            flatnet_daemon::log::to_stderr(LogFormat::Text);
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .context("start the runtime")?;
            runtime.block_on(cni_files::run(command))
        }
        Command::Uplink(command) => crate::uplink::run(command),
        Command::Run(args) => {
            flatnet_kernel::memory::use_one_arena();
            flatnet_daemon::log::to_stderr(args.log_format);
            // Two workers: the work is short and mostly waits, and each thread costs memory.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .context("start the runtime")?;
            runtime.block_on(run(*args))
        }
    }
}
