//! What the supervisor runs in the VPC router.

use std::collections::BTreeMap;
use std::path::Path;

use super::PORT;
use crate::paths::{Layout, namespace, netns_path};
use crate::supervise::{Stage, Unit};

/// The simulator, and what makes the kernel follow it. A simulator that is started anew
/// begins with the world's tables.
pub(crate) fn units(layout: &Layout, member: &str) -> Vec<Unit> {
    let show = |p: &Path| p.display().to_string();
    let simulator = vec![
        show(&layout.bin("aliyun-sim")),
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
    [("aliyun-sim", simulator), ("follow", follower)]
        .into_iter()
        .map(|(name, argv)| Unit {
            name: format!("{member}/{name}"),
            netns: Some(netns_path(&namespace(member))),
            build: crate::up::build_of(Path::new(&argv[0])),
            argv,
            env: BTreeMap::new(),
            pid_file: Some(layout.member(member).dir().join(format!("{name}.pid"))),
            log: layout.member(member).log(name),
            after: None,
            stage: Stage::Node,
            mend: Vec::new(),
        })
        .collect()
}
