//! Raising the lab, and repairing it: the same thing, for it looks first and does what lacks.
//!
//! Here is what one `up` decides before anything is made: whether the machine is fit, whose turn it
//! is, which datapath and which plan. What it then does, step by step, is in `up/raise.rs`.

mod raise;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flatnet_plan::NetworkPlan;
use serde::Serialize;

pub(crate) use self::raise::raise;
use self::raise::wait_internal;
use crate::datapath::Datapath;
use crate::error::{Error, Result};
use crate::lock::{self, Lock};
use crate::paths::Layout;
use crate::progress::Progress;
use crate::running::read_plan;
use crate::{checks, cloud, fabric, files, ipamd, ovs};

/// How long another `up` or `down` may take.
pub(crate) const OTHERS: Duration = Duration::from_secs(90);
/// How long daemons may take to answer, on a busy machine or in a guest whose processor is emulated.
const DAEMONS: Duration = Duration::from_secs(90);

/// The programs of this project that run in the lab; the first is all that a bare fabric needs.
const PROGRAMS: [&str; 7] = [
    "flatnet-lab",
    "flatnet",
    "netd",
    "flatctl",
    ipamd::NAME,
    cloud::VPC_ROUTE,
    cloud::SIMULATOR,
];

/// What to raise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpOptions {
    /// IDC nodes; none: as the running lab has, or two.
    pub idc: Option<u8>,
    /// VPC nodes; none: as the running lab has, or two.
    pub vpc: Option<u8>,
    /// Another plan.
    pub plan: Option<PathBuf>,
    /// Where `netd`, `flatnet` and `flatnet-lab` are.
    pub bin_dir: PathBuf,
    /// The datapath of every switch; none: as the running lab has, or userspace.
    pub datapath: Option<Datapath>,
    /// Whether to run ipamd, netd and vpc-route; without them the lab is a bare fabric.
    pub netd: bool,
}

impl Default for UpOptions {
    fn default() -> Self {
        Self {
            idc: None,
            vpc: None,
            plan: None,
            datapath: None,
            bin_dir: default_bin_dir(),
            netd: true,
        }
    }
}

/// What `up` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpReport {
    /// Whether there was no lab before.
    pub created: bool,
    /// What it repaired, where there was one.
    pub repaired: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// `$FLATNET_BIN_DIR`, or where this program is; a test's program is one below.
fn default_bin_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("FLATNET_BIN_DIR") {
        return dir.into();
    }
    let exe = std::env::current_exe().unwrap_or_default();
    let dir = exe.parent().unwrap_or(Path::new("."));
    match dir.file_name() {
        Some(name) if name == "deps" => dir.parent().unwrap_or(dir).to_owned(),
        _ => dir.to_owned(),
    }
}

/// Raises the lab, or repairs it.
///
/// # Errors
/// [`Error::Preconditions`] before anything is touched; [`Error::AnotherPlan`],
/// [`Error::AnotherDatapath`];
/// [`Error::Timeout`] where a daemon does not come up. What is built by then stays, and
/// the next `up` goes on from there.
pub fn up(options: &UpOptions, progress: &dyn Progress) -> Result<UpReport> {
    let begun = Instant::now();
    checks::machine()?;
    let ours: &[&str] = if options.netd {
        &PROGRAMS
    } else {
        &PROGRAMS[..1]
    };
    checks::binaries(&options.bin_dir, ours)?;
    checks::outside()?;
    let _lock = Lock::take(Path::new(lock::COMMAND), OTHERS, |holder| {
        progress.note(&format!("waiting for {holder}"));
    })?;
    let layout = Layout::default();
    let created = !layout.plan().exists();
    let running = if created {
        None
    } else {
        Some(Datapath::of(&layout)?)
    };
    let datapath = Datapath::choose(running, options.datapath)?;
    checks::datapath(datapath)?;
    let plan = choose_plan(options, &layout)?;
    check_plan(&plan, &layout, progress)?;
    if created {
        // Before the plan, without which there is no lab.
        files::make_dir(layout.root())?;
        datapath.write(&layout)?;
    }
    let repaired = raise(layout, plan, options, progress)?;
    Ok(UpReport {
        created,
        repaired: if created { Vec::new() } else { repaired },
        took: begun.elapsed(),
    })
}

/// Puts right what a restart of a member's switch undoes. The supervisor calls for this;
/// it takes no lock, for an `up` may be at work on the same, and both only add.
///
/// # Errors
/// [`Error::NotUp`], [`Error::UnknownMember`], and what `ip` says.
pub(crate) fn repair(member: &str) -> Result<()> {
    let layout = Layout::default();
    let plan = read_plan(&layout)?;
    let mut fabric = fabric::desired(&plan)?;
    fabric.members.retain(|m| m.name == member);
    fabric.cables.clear();
    let Some(switch) = fabric.members.first().and_then(|m| m.switch.clone()) else {
        return Ok(());
    };
    ovs::wait_answers(&layout.member(member), DAEMONS)?;
    wait_internal(&fabric, member, switch.internal.keys())?;
    let ops = fabric::plan(&fabric, &fabric::observe(&fabric)?);
    fabric::apply::apply(&fabric, &ops)
}

/// The lab's plan has an ID for all that the cloud gives one.
fn choose_plan(options: &UpOptions, layout: &Layout) -> Result<NetworkPlan> {
    let running = match read_plan(layout) {
        Err(Error::NotUp(_)) => None,
        other => Some(other?),
    };
    let wanted = match (&options.plan, options.idc, options.vpc) {
        (Some(path), _, _) => {
            let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
            Some(flatnet_plan::load(&text)?)
        }
        (None, None, None) => None,
        (None, idc, vpc) => Some(crate::plan::generate(idc.unwrap_or(2), vpc.unwrap_or(2))?),
    };
    match (running, wanted.map(cloud::identified)) {
        (Some(running), Some(wanted)) if running != wanted => {
            Err(Error::AnotherPlan(layout.plan()))
        }
        (Some(plan), _) | (None, Some(plan)) => Ok(plan),
        (None, None) => Ok(cloud::identified(crate::plan::generate(2, 2)?)),
    }
}

/// What `flatctl plan check` says of the plan, before anything is made.
pub(crate) fn check_plan(
    plan: &NetworkPlan,
    layout: &Layout,
    progress: &dyn Progress,
) -> Result<()> {
    let text = flatnet_plan::to_yaml(plan)
        .map_err(|e| Error::Unsupported(format!("a plan that cannot be written: {e}")))?;
    let file = layout.plan().display().to_string();
    progress.note(&format!(
        "plan check: {}",
        flatnet_plan::diagnose(&text, &file).summary()
    ));
    flatnet_plan::load_named(&text, &file)?;
    Ok(())
}
