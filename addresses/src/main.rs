//! addressd: keeps AddressSets. Everything is in the library.

use clap::Parser;
use flatnet_addresses::{Cli, main as run};

fn main() -> anyhow::Result<()> {
    run(&Cli::parse())
}
