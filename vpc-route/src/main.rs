//! `vpc-route`: the route controller. Everything is in the library.

use std::process::ExitCode;

use clap::Parser;
use flatnet_vpc_route::cli::Cli;

fn main() -> ExitCode {
    match flatnet_vpc_route::run::main(&Cli::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("vpc-route: {error:#}");
            ExitCode::FAILURE
        }
    }
}
