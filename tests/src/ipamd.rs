//! ipamd in the lab: one for all nodes, which take their ranges from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::paths::Layout;
use crate::supervise::{Stage, Unit};

/// The program, and its name among the supervisor's units.
pub(crate) const NAME: &str = "ipamd";

/// How long a released range rests: what a node let go of may go to another one in the same
/// check.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// The daemon. It needs no network: all nodes share the file system, and so its socket.
pub(crate) fn unit(layout: &Layout, build: String) -> Unit {
    let show = |p: &Path| p.display().to_string();
    let paths = layout.member(NAME);
    let argv = [
        show(&layout.bin(NAME)),
        "run".into(),
        "--plan".into(),
        show(&layout.plan()),
        "--state".into(),
        show(&paths.store()),
        // The lab's state goes with the lab, so there is never a ledger to lose.
        "--init".into(),
        "--socket".into(),
        show(&layout.ipamd_sock()),
        "--settle".into(),
        "2".into(),
        "--rest".into(),
        REST.as_secs().to_string(),
        "--log-format".into(),
        "json".into(),
    ];
    Unit {
        name: NAME.to_owned(),
        netns: None,
        argv: argv.to_vec(),
        env: BTreeMap::new(),
        pid_file: Some(paths.dir().join("ipamd.pid")),
        log: paths.log(NAME),
        after: None,
        stage: Stage::Node,
        repair: Vec::new(),
        build,
    }
}
