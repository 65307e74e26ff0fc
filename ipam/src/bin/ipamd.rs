//! ipamd: hands each host its ranges, once.

use clap::Parser;
use flatnet_ipam::daemon::{Cli, main as run};

fn main() -> anyhow::Result<()> {
    run(Cli::parse())
}
