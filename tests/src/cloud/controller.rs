//! vpc-route in the lab: the one that fills the VPC's table, the VBR's and the edge router's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::SiteType;
use serde_json::{Value, json};

use super::PORT;
use super::follow::follows;
use super::ids::line_interface;
use super::world::{KEY, region};
use crate::edge;
use crate::error::{Error, Result};
use crate::files;
use crate::lab::inside;
use crate::paths::{EDGE, Layout, VPC_ROUTER, namespace, netns_path};
use crate::process::poll;
use crate::progress::Progress;

/// File name of the route controller's program.
pub const VPC_ROUTE: &str = "vpc-route";
/// The name of our entries' owner.
pub const CLUSTER: &str = "lab";
/// How long the tables may take to become what the plan says, on a busy machine or in a guest whose
/// processor is emulated.
const CONVERGED: Duration = Duration::from_secs(120);
/// The time between two looks at them.
const LOOK: Duration = Duration::from_millis(100);

/// Where its configuration is.
pub fn config_path(layout: &Layout) -> PathBuf {
    layout.member(VPC_ROUTER).dir().join("vpc-route.yaml")
}

/// Its state: the lease, what it saw, recorded states.
pub fn state_dir(layout: &Layout) -> PathBuf {
    layout.member(VPC_ROUTER).dir().join(VPC_ROUTE)
}

/// Where `flatctl` asks it.
pub fn socket(layout: &Layout) -> PathBuf {
    layout.member(VPC_ROUTER).dir().join("vpc-route.sock")
}

/// Its configuration for a plan that went through [`super::identified`]; with `frr`, the edge
/// router runs FRR.
pub fn config(plan: &NetworkPlan, layout: &Layout, frr: bool) -> Value {
    let simulator = format!("http://127.0.0.1:{PORT}");
    let has = |kind: SiteType| plan.spec.sites.iter().any(|s| s.site_type == kind);
    // A cloud without an instance has no metadata service either.
    let instances = plan.spec.hosts.iter().any(|h| h.instance_id.is_some());
    let credentials = if instances {
        json!({"source": "instance"})
    } else {
        json!({"source": "static", "accessKeyId": KEY.0, "accessKeySecret": KEY.1})
    };
    let lines = plan.spec.links.iter();
    let lines = lines.map(|line| (line.name.clone(), json!(line_interface(&line.name))));
    let mut config = json!({
        "cluster": CLUSTER,
        "plan": layout.plan(),
        "ipamd": {"endpoint": format!("unix:{}", layout.ipamd_sock().display())},
        "stateDir": state_dir(layout),
        "intervalSeconds": 2,
        "graceSeconds": 3,
        "leaseSeconds": 5,
        // Two nodes of four are not much of a lab.
        "massDelete": {"share": 30, "always": 12},
        "socket": socket(layout),
        "aliyun": {
            "endpoint": simulator,
            "metadata": simulator,
            "region": region(plan),
            "credentials": credentials,
            "lineInterfaces": lines.collect::<serde_json::Map<_, _>>(),
        },
    });
    if has(SiteType::Idc) {
        let name = plan.spec.sites.iter().find_map(|s| s.edge_router.as_ref());
        let name = name.map_or(EDGE, |r| r.name.as_str());
        config["edgeRouters"] = json!({ name: edge::provider(layout, frr) });
    }
    config
}

/// Writes its configuration.
///
/// # Errors
/// [`Error::Io`], [`Error::Yaml`].
pub(crate) fn write_config(plan: &NetworkPlan, layout: &Layout) -> Result<()> {
    files::make_dir(&state_dir(layout))?;
    let yaml = serde_norway::to_string(&config(plan, layout, edge::has_frr()));
    let yaml = yaml.map_err(|e| Error::Yaml(e.to_string()))?;
    files::write_if_changed(&config_path(layout), yaml.as_bytes())?;
    Ok(())
}

/// The command line, where `what` is a subcommand and its options.
pub(crate) fn argv(layout: &Layout, config: &Path, what: &[&str]) -> Vec<String> {
    let own = [
        layout.bin(VPC_ROUTE).display().to_string(),
        "--config".to_owned(),
        config.display().to_string(),
    ];
    let what = what.iter().map(|w| (*w).to_owned());
    own.into_iter().chain(what).collect()
}

/// Waits until a dry run of vpc-route finds nothing to do, and the routers forward what the
/// tables say.
///
/// # Errors
/// [`Error::Timeout`], with what the last dry run said.
pub(crate) fn wait_converged(layout: &Layout, progress: &dyn Progress) -> Result<()> {
    let (mut said, mut told) = (String::new(), None);
    let step = || {
        match dry_run(layout) {
            Ok((0, _)) => match follows(layout) {
                Ok(true) => return Some(()),
                Ok(false) => "the VPC router has yet to follow its tables".clone_into(&mut said),
                Err(error) => said = error.to_string(),
            },
            Ok((_, words)) => {
                let left = changes(&words);
                if told != Some(left) {
                    progress.note(&format!("{left} changes to make"));
                    told = Some(left);
                }
                said = words;
            }
            Err(error) => said = error.to_string(),
        }
        std::thread::sleep(LOOK);
        None
    };
    poll(CONVERGED, step).ok_or_else(|| Error::Timeout {
        what: "vpc-route, to fill the route tables".into(),
        after: CONVERGED,
        hint: format!(
            "`vpc-route plan` says:\n{}\nits log is {}",
            said.trim_end(),
            layout.member(VPC_ROUTER).log(VPC_ROUTE).display()
        ),
    })
}

/// How many changes a dry run's words announce, over all tables.
fn changes(words: &str) -> u32 {
    let tables = words.lines().filter(|l| !l.starts_with(' '));
    let verdicts = tables.filter_map(|l| l.rsplit_once(": ").map(|(_, verdict)| verdict));
    let counts = verdicts.filter_map(|v| v.split_once(" change")?.0.parse::<u32>().ok());
    counts.sum()
}

/// `vpc-route plan`: its exit status and what it printed.
fn dry_run(layout: &Layout) -> Result<(i32, String)> {
    let argv = argv(layout, &config_path(layout), &["plan", "--color", "never"]);
    let mut command = inside(&netns_path(&namespace(VPC_ROUTER)), &argv[0]);
    let output = command.args(&argv[1..]).output();
    let output = output.map_err(|source| Error::Spawn {
        command: argv.join(" "),
        source,
    })?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok((output.status.code().unwrap_or(-1), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changes_of_a_dry_run_are_counted_over_its_tables() {
        let words = "route table system in vpc (vtb-1, 10 ours, 0 of others of 200): no change\n\
                     VBR of line line1 in vpc (vtb-2, 0 ours, 0 of others of 48): 12 changes\n  \
                     + 10.0.0.0/8 via RouterInterface ri-1: 3 changes\n\
                     edge router edge in idc (edge, 5 ours, 0 of others): 1 change\n";
        assert_eq!(changes(words), 13);
        assert_eq!(changes("cannot list vtb-1: nobody answers\n"), 0);
    }

    #[test]
    fn the_configuration_names_every_table_of_the_plan() {
        let plan = super::super::identified(crate::plan::generate(2, 2).expect("a plan"));
        let found = config(&plan, &Layout::default(), true);
        assert_eq!(found["edgeRouters"]["edge"]["provider"], "frr");
        assert_eq!(found["aliyun"]["lineInterfaces"]["line1"], "ri-line1-idc");
        assert_eq!(found["aliyun"]["credentials"]["source"], "instance");
        assert_eq!(found["plan"], "/run/flatnet-lab/plan.yaml");
        let alone = super::super::identified(crate::plan::generate(2, 0).expect("a plan"));
        let found = config(&alone, &Layout::default(), false);
        assert_eq!(found["aliyun"]["credentials"]["source"], "static");
    }
}
