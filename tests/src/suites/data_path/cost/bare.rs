//! Two namespaces on a bridge of the same Open vSwitch that has the action NORMAL alone.

use std::path::Path;

use anyhow::Result;

use crate::load::Way;
use crate::runtime::ContainerNs;
use crate::scratch::{FailMode, ScratchBridge};
use crate::suites::kit::output;
use crate::{Datapath, Lab, Member};

/// Standalone, so it is its own MAC learning that forwards.
const BRIDGE: &str = "br-bare";
/// Inside.
const IFNAME: &str = "eth0";
/// Of the documentation's (RFC 5737): nobody else has them here.
const ADDRESSES: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

/// The pair on a member; bridge, links and namespaces go when it is dropped, in this order.
pub(super) struct Bare {
    bridge: ScratchBridge,
    ends: Vec<End>,
}

/// A namespace and its link into the member's.
struct End {
    netns: ContainerNs,
    member: Member,
    /// The link's end in the bridge.
    port: String,
}

impl Bare {
    pub(super) fn on(lab: &Lab, member: Member) -> Result<Self> {
        let bridge = ScratchBridge::make(member, BRIDGE, lab.datapath(), FailMode::Standalone)?;
        let mut bare = Self {
            bridge,
            ends: Vec::new(),
        };
        for (number, address) in ADDRESSES.iter().enumerate() {
            let end = End::make(bare.bridge.member(), number, address, lab.datapath())?;
            bare.bridge.add_port(&end.port)?;
            bare.ends.push(end);
        }
        Ok(bare)
    }

    pub(super) fn member(&self) -> &Member {
        self.bridge.member()
    }

    pub(super) fn way(&self) -> Result<Way<'_>> {
        Ok(Way {
            from: self.netns(0),
            to: self.netns(1),
            at: ADDRESSES[1].parse()?,
        })
    }

    fn netns(&self, number: usize) -> &Path {
        self.ends[number].netns.path()
    }
}

impl End {
    fn make(member: &Member, number: usize, address: &str, datapath: Datapath) -> Result<Self> {
        let end = Self {
            netns: ContainerNs::create(&format!("dp-bare{number}"))?,
            member: member.clone(),
            port: format!("bare{number}"),
        };
        // The namespace of an earlier one may be still on its way out, and its link with it.
        end.delete_link();
        let words = "link add NAME up type veth peer name PEER netns NETNS";
        let words = words
            .replace("NAME", &end.port)
            .replace("PEER", IFNAME)
            .replace("NETNS", &end.netns.name());
        output(member.command("ip").args(words.split(' ')))?;
        let prefix = format!("{address}/24");
        let inside = |program: &str, words: &[&str]| {
            output(crate::lab::inside(end.netns.path(), program).args(words)).map(drop)
        };
        inside("ip", &["address", "add", &prefix, "dev", IFNAME])?;
        inside("ip", &["link", "set", IFNAME, "up"])?;
        if datapath == Datapath::User {
            // A userspace switch hands checksums on as they are.
            inside("ethtool", &["-K", IFNAME, "tx", "off"])?;
        }
        Ok(end)
    }

    /// Deletes the link, if it is there.
    fn delete_link(&self) {
        let _ = output(
            self.member
                .command("ip")
                .args(["link", "delete", &self.port]),
        );
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.delete_link();
    }
}
