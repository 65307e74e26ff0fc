//! The daemon that makes the kernel follow the simulator's tables.

use std::path::PathBuf;
use std::time::Duration;

use flatnet_aliyun_sim::world::TableView;

use super::desired::{Ports, desired};
use super::http::ask_here;
use super::kernel::{FOLLOWED, Kernel, Op, sync};
use crate::error::{Error, Result};
use crate::paths::Layout;
use crate::{run, up};

/// How long the kernel may lag behind the tables.
const PERIOD: Duration = Duration::from_millis(20);

/// `flatnet-lab follow`, in the VPC router's namespace.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Follow {
    /// The state directory
    #[arg(long, default_value = crate::paths::ROOT)]
    root: PathBuf,
}

/// Follows until it is ended. A simulator that does not answer changes nothing.
///
/// # Errors
/// [`Error::NotUp`], [`Error::Plan`]; what `ip` says.
pub(crate) fn follow(options: &Follow) -> Result<()> {
    let plan = up::read_plan(&Layout::at(&options.root))?;
    let ports = Ports::of(&plan);
    let mut last = None;
    loop {
        if let Ok(tables) = tables()
            && last.as_ref() != Some(&tables)
        {
            apply(&sync(&observe()?, &desired(&tables, &ports)))?;
            last = Some(tables);
        }
        std::thread::sleep(PERIOD);
    }
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
