//! The peer: Debian's reference plugins `bridge` and `host-local`, in a namespace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::subject::{Means, Subject};
use crate::runtime::{Cni, Conflist, ContainerNs};

/// Where Debian's `containernetworking-plugins` has them.
const PLUGINS: &str = "/usr/lib/cni";

/// The namespace that stands for the peer's node, and its files; both go on drop.
#[derive(Debug)]
pub(super) struct PeerNode {
    netns: ContainerNs,
    data: PathBuf,
}

impl PeerNode {
    /// Makes the node.
    pub(super) fn create(name: &str) -> Result<Self> {
        if !Path::new(PLUGINS).join("bridge").is_file() {
            bail!("{PLUGINS}/bridge is missing: install containernetworking-plugins");
        }
        let netns = ContainerNs::create(&format!("bench-node-{name}"))?;
        let lo = netns.run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        if !lo.status.success() {
            bail!("lo does not come up in {}", netns.name());
        }
        // On the file system that a host's /var/lib/cni is on as a rule.
        let data =
            std::env::temp_dir().join(format!("flatnet-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
        Ok(Self { netns, data })
    }

    /// The side of the comparison. IPv4 alone: with IPv6 the bridge plugin would wait for
    /// duplicate address detection, and the comparison would flatter us.
    pub(super) fn subject(
        &self,
        name: &'static str,
        timed: usize,
        present: usize,
    ) -> Result<Subject> {
        let list = json!({
            "cniVersion": "1.0.0", "name": "peer",
            "plugins": [{
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
                "ipam": {
                    "type": "host-local", "dataDir": self.data,
                    "ranges": [[{"subnet": "10.77.0.0/16"}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }],
        });
        let list = Conflist::parse(list.to_string().as_bytes())?;
        let cni = Cni::new(list, &[Path::new(PLUGINS)]);
        Subject::create(name, Means::cni(cni), self.netns.path(), timed, present)
    }
}

impl Drop for PeerNode {
    fn drop(&mut self) {
        // The system clears the directory of temporary files in time.
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// The version of Debian's package, for the record.
pub(super) fn version() -> String {
    Command::new("dpkg-query")
        .args(["-W", "-f", "${Version}", "containernetworking-plugins"])
        .output()
        .ok()
        .filter(|out| out.status.success())
        .map_or_else(
            || "of unknown version".to_owned(),
            |out| String::from_utf8_lossy(&out.stdout).into_owned(),
        )
}
