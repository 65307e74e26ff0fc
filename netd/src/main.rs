//! `netd`: the node daemon. Everything is in the library.

use std::process::ExitCode;

use clap::Parser;
use flatnet_netd::config::Cli;

/// A reconcile looks at every flow for a moment; the system's allocator would keep that memory
/// for ever, in one arena for each thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match flatnet_netd::run::main(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("netd: {e:#}");
            ExitCode::FAILURE
        }
    }
}
