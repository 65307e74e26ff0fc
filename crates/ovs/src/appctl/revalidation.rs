//! When the datapath acts by the flows as they are: `revalidator/wait`.

use std::path::Path;

use super::{AppctlError, vswitchd};

/// Waits until the datapath acts by every flow that the switch had when this was called.
///
/// The datapath answers from its own cache, which `ovs-vswitchd` corrects in rounds, two a second or as soon as a flow
/// changes: a barrier says that the switch has a flow, and not that packets match it.
///
/// # Errors
/// [`AppctlError`]. [`AppctlError::Refused`] where `ovs-vswitchd` has two kinds of datapath at once, for which it does
/// not say this.
pub async fn revalidated(rundir: &Path) -> Result<(), AppctlError> {
    // Its main loop notes a change of flows before it reads the command after this one.
    vswitchd(rundir, "version", &[]).await?;
    // The round that is under way may have begun before that; the next one has not.
    for _ in 0..2 {
        vswitchd(rundir, "revalidator/wait", &[]).await?;
    }
    Ok(())
}
