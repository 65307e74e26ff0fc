//! The binary `aliyun-sim`.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    flatnet_aliyun_sim::cli::run(&flatnet_aliyun_sim::cli::Args::parse())
}
