//! `flatnet-lab`: the lab's command line.

use std::process::ExitCode;

use clap::Parser;
use flatnet_lab::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // The message is whole: each error names its cause.
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("flatnet-lab: {e}\n"),
            );
            ExitCode::FAILURE
        }
    }
}
