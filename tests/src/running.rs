//! What of a lab that is up tells it from another: its plan, and the builds of its programs.

use std::fs;
use std::path::Path;

use flatnet_plan::NetworkPlan;

use crate::error::{Error, Result};
use crate::paths::Layout;

/// The plan that the lab runs.
///
/// # Errors
/// [`Error::NotUp`], [`Error::Plan`].
pub(crate) fn read_plan(layout: &Layout) -> Result<NetworkPlan> {
    let path = layout.plan();
    let text = fs::read_to_string(&path).map_err(|_| Error::NotUp(path))?;
    Ok(flatnet_plan::load(&text)?)
}

/// What tells one build of a program from another; empty where there is none.
pub(crate) fn build_of(program: &Path) -> String {
    let modified = fs::metadata(program).and_then(|m| m.modified());
    modified.map_or(String::new(), |m| format!("{m:?}"))
}
