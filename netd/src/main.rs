//! `netd`: the node daemon. Everything is in the library.

use std::process::ExitCode;

use clap::Parser;
use flatnet_netd::config::Cli;

fn main() -> ExitCode {
    match flatnet_netd::run::main(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("netd: {e:#}");
            ExitCode::FAILURE
        }
    }
}
