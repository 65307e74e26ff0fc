//! What the supervisor runs in the VPC router.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::PORT;
use super::controller::{VPC_ROUTE, argv, config_path};
use crate::paths::{Layout, VPC_ROUTER, namespace, netns_path};
use crate::running::build_of;
use crate::supervise::{Stage, Unit};

/// The Aliyun simulator's program.
pub(crate) const SIMULATOR: &str = "aliyun-sim";
/// The daemons, by the names of their logs and PID files.
const NAMES: [&str; 3] = [SIMULATOR, "follow", VPC_ROUTE];

/// Where the supervisor writes the PID of one of them.
pub(crate) fn pid_file(layout: &Layout, name: &str) -> PathBuf {
    layout.member(VPC_ROUTER).dir().join(format!("{name}.pid"))
}

/// All their names.
pub(crate) fn unit_names() -> [&'static str; 3] {
    NAMES
}

/// The simulator, what makes the kernel follow it, and vpc-route. A simulator that is started
/// anew begins with the world's tables, and vpc-route fills them again.
pub(crate) fn units(layout: &Layout) -> Vec<Unit> {
    let show = |p: &Path| p.display().to_string();
    let simulator = vec![
        show(&layout.bin(SIMULATOR)),
        "--listen".to_owned(),
        format!("[::]:{PORT}"),
        "--world".to_owned(),
        show(&layout.world()),
    ];
    let follower = vec![
        show(&layout.bin("flatnet-lab")),
        "follow".to_owned(),
        "--root".to_owned(),
        show(layout.root()),
    ];
    let config = config_path(layout);
    let controller = argv(layout, &config, &["run", "--log-format", "json"]);
    NAMES
        .into_iter()
        .zip([simulator, follower, controller])
        .map(|(name, argv)| Unit {
            name: format!("{VPC_ROUTER}/{name}"),
            netns: Some(netns_path(&namespace(VPC_ROUTER))),
            // A configuration is read at the start.
            build: match name {
                VPC_ROUTE => build_of(Path::new(&argv[0])) + &build_of(&config),
                _ => build_of(Path::new(&argv[0])),
            },
            argv,
            env: BTreeMap::new(),
            pid_file: Some(pid_file(layout, name)),
            log: layout.member(VPC_ROUTER).log(name),
            after: None,
            stage: Stage::Node,
            repair: Vec::new(),
        })
        .collect()
}
