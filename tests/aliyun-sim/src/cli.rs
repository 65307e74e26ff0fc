//! `aliyun-sim --listen ADDR --world FILE`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::WorldFile;
use crate::server::{self, Shared};
use crate::sim::Sim;
use crate::time::Timestamp;

/// A simulator of Aliyun's VPC route API and of its metadata service
#[derive(Debug, Parser)]
#[command(name = "aliyun-sim", version)]
pub struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where the metadata service is to listen beside that
    #[arg(long, value_name = "ADDR")]
    metadata: Option<SocketAddr>,
    /// What there is: access keys, VPCs, route tables (YAML; docs/aliyun-sim.md)
    #[arg(long, value_name = "FILE")]
    world: PathBuf,
    /// Only check the world file
    #[arg(long)]
    check: bool,
}

/// Serves until SIGTERM or SIGINT. The first line of stdout says where.
///
/// # Errors
/// A world file that is not right, an address that cannot be listened on.
pub fn run(args: &Args) -> Result<()> {
    let file = WorldFile::read(&args.world)?;
    let sim = Sim::new(&file, Timestamp::now()).context("the world file is not valid")?;
    if args.check {
        return say("the world file is valid");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(args, Shared::new(sim)))
}

async fn serve(args: &Args, sim: Shared) -> Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let bind = |address| async move {
        let bound = server::listen(address).await;
        bound.with_context(|| format!("cannot listen on {address}"))
    };
    let (listener, bound) = bind(args.listen).await?;
    let mut where_to = format!("listening on http://{bound}");
    if let Some(address) = args.metadata {
        let (listener, bound) = bind(address).await?;
        where_to.push_str(&format!(", metadata on http://{bound}"));
        tokio::spawn(server::serve(listener, sim.clone()));
    }
    say(&where_to)?;
    tokio::select! {
        failed = server::serve(listener, sim) => match failed {
            Ok(never) => match never {},
            Err(error) => Err(error).context("cannot accept connections"),
        },
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
    }
}

/// The one place that writes to stdout.
fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
