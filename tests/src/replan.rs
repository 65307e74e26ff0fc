//! Another plan for a lab that runs: what an administrator does who adds, moves or removes nodes.
//!
//! The machines and the cloud come first, then the plan's file, which the daemons take over by
//! themselves; machines that are in no plan any more go last.

use std::fs;
use std::path::Path;

use flatnet_plan::NetworkPlan;

use crate::error::{Error, Result};
use crate::fabric::{self, Fabric};
use crate::lab::Lab;
use crate::lock::{self, Lock};
use crate::paths::{Layout, MEMBER_PREFIX};
use crate::process;
use crate::progress::Progress;
use crate::up::{OTHERS, UpOptions, check_plan, raise};
use crate::{cloud, files, netns};

/// Goes over to another plan, and gives the lab that it makes.
///
/// # Errors
/// [`Error::NotUp`]; a plan that is wrong, before anything is touched; what
/// [`up`](crate::up()) says.
pub fn replan(options: &UpOptions, plan: NetworkPlan, progress: &dyn Progress) -> Result<Lab> {
    let _lock = Lock::take(Path::new(lock::COMMAND), OTHERS, |holder| {
        progress.note(&format!("waiting for {holder}"));
    })?;
    let layout = Layout::default();
    if !layout.plan().exists() {
        return Err(Error::NotUp(layout.plan()));
    }
    let plan = cloud::identified(plan);
    check_plan(&plan, &layout, progress)?;
    let fabric = fabric::desired(&plan)?;
    cloud::grow_world(&plan, &layout)?;
    write_plan(&plan, &layout)?;
    raise(layout.clone(), plan, options, progress)?;
    retire(&fabric, &layout)?;
    Lab::open()
}

/// Writes the plan that the daemons read, whole.
///
/// # Errors
/// [`Error::Io`], [`Error::Yaml`].
pub fn write_plan(plan: &NetworkPlan, layout: &Layout) -> Result<()> {
    let yaml = flatnet_plan::to_yaml(plan).map_err(|e| Error::Yaml(e.to_string()))?;
    files::write_if_changed(&layout.plan(), yaml.as_bytes())?;
    Ok(())
}

/// Switches machines off that are in no plan any more, whoever wrote it. Their daemons have
/// ended: they are in the supervisor's list no more.
fn retire(fabric: &Fabric, layout: &Layout) -> Result<()> {
    for (home, _) in netns::names() {
        let Some(name) = home.strip_prefix(MEMBER_PREFIX) else {
            continue;
        };
        if fabric.member(name).is_some() {
            continue;
        }
        let inside: Vec<_> = netns::processes_inside()
            .into_iter()
            .filter(|(where_, _)| *where_ == home)
            .map(|(_, process)| process)
            .collect();
        process::end(&inside, std::time::Duration::from_secs(2));
        netns::remove(&home)?;
        let paths = layout.member(name);
        let dir = paths.dir();
        match fs::remove_dir_all(dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", dir)(e));
            }
            _ => {}
        }
    }
    Ok(())
}
