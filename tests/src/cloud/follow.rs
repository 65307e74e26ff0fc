//! The daemon that makes the kernel follow the simulator's tables.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use flatnet_aliyun_sim::config::WorldFile;
use flatnet_aliyun_sim::world::TableView;

use super::desired::{Ports, desired};
use super::http::ask_here;
use super::kernel::{FOLLOWED, Kernel, Op, sync};
use crate::error::{Error, Result};
use crate::paths::{Layout, VPC_ROUTER, namespace, netns_path};
use crate::{netns, run};

/// How long the kernel may lag behind the tables.
const PERIOD: Duration = Duration::from_millis(20);
/// How often the kernel is looked at while the tables stay as they are: a link that goes down
/// takes its routes along.
const AGAIN: Duration = Duration::from_millis(500);

/// `flatnet-lab follow`, in the VPC router's namespace.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Follow {
    /// The state directory
    #[arg(long, default_value = crate::paths::ROOT)]
    root: PathBuf,
}

/// Follows until it is ended. A simulator that does not answer changes nothing; what the kernel
/// does not take, such as a route over a line that is down, is tried again.
///
/// # Errors
/// [`Error::Yaml`].
pub(crate) fn follow(options: &Follow) -> Result<()> {
    let ports = ports(&Layout::at(&options.root))?;
    // What the kernel was made to hold, and when it was looked at.
    let mut last: Option<(Vec<TableView>, Instant)> = None;
    let mut trouble = String::new();
    loop {
        if let Ok(tables) = tables()
            && last
                .as_ref()
                .is_none_or(|(followed, at)| *followed != tables || at.elapsed() > AGAIN)
        {
            let done = observe().and_then(|have| apply(&sync(&have, &desired(&tables, &ports))));
            let told = done.err().map(|e| e.to_string()).unwrap_or_default();
            if told != trouble && !told.is_empty() {
                // Its log; a reader who went away is no reason to end.
                let _ = writeln!(std::io::stderr(), "{told}");
            }
            trouble = told;
            last = Some((tables, Instant::now()));
        }
        std::thread::sleep(PERIOD);
    }
}

fn ports(layout: &Layout) -> Result<Ports> {
    let world = WorldFile::read(&layout.world()).map_err(|e| Error::Yaml(e.to_string()))?;
    Ok(Ports::of(&world))
}

/// Whether the VPC router's kernel holds what the simulator's tables say.
///
/// # Errors
/// A simulator that does not answer; what `ip` says.
pub(super) fn follows(layout: &Layout) -> Result<bool> {
    let ports = ports(layout)?;
    netns::enter(&netns_path(&namespace(VPC_ROUTER)), || {
        Ok(sync(&observe()?, &desired(&tables()?, &ports)).is_empty())
    })?
}

fn apply(ops: &[Op]) -> Result<()> {
    for (family, v6) in [("-4", false), ("-6", true)] {
        let lines: Vec<&str> = ops
            .iter()
            .filter(|op| op.v6 == v6)
            .map(|op| op.line.as_str())
            .collect();
        if !lines.is_empty() {
            let mut ip = run::command("ip");
            run::output_with(ip.args([family, "-batch", "-"]), &(lines.join("\n") + "\n"))?;
        }
    }
    Ok(())
}

fn observe() -> Result<Kernel> {
    let mut kernel = Kernel::default();
    let proto = FOLLOWED.to_string();
    for (family, v6) in [("-4", false), ("-6", true)] {
        let ip = |args: &[&str]| {
            let mut command = run::command("ip");
            run::output(command.args([family, "-j", "-N"]).args(args))
        };
        let routes = ip(&["route", "show", "table", "all", "proto", &proto])?;
        let rules = ip(&["rule", "show"])?;
        let json = |what: &'static str| {
            move |source| Error::Json {
                what: what.to_owned(),
                source,
            }
        };
        kernel
            .read_routes(&routes, v6)
            .map_err(json("`ip route`"))?;
        kernel.read_rules(&rules, v6).map_err(json("`ip rule`"))?;
    }
    Ok(kernel)
}

/// The simulator's tables, in the order of their IDs.
fn tables() -> Result<Vec<TableView>> {
    let (_, body) = ask_here("GET", "/_sim/tables", "")?;
    serde_json::from_str(&body).map_err(|source| Error::Json {
        what: "the simulator's tables".to_owned(),
        source,
    })
}
