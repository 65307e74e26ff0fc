//! A bridge of a member's Open vSwitch beside the lab's own, as the measure of what netd adds.

use crate::{Datapath, Member, Result, run};

/// How a bridge forwards that has no controller (`fail_mode` of ovs-vswitchd.conf.db(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailMode {
    /// By its own learning of MACs.
    Standalone,
    /// By its flows alone.
    Secure,
}

/// The bridge; it goes when it is dropped, with its ports.
#[derive(Debug)]
pub(crate) struct ScratchBridge {
    member: Member,
    name: &'static str,
}

impl ScratchBridge {
    /// Makes it, anew where an earlier run left one.
    ///
    /// # Errors
    /// What `ovs-vsctl` says.
    pub(crate) fn make(
        member: Member,
        name: &'static str,
        datapath: Datapath,
        fail_mode: FailMode,
    ) -> Result<Self> {
        let bridge = Self { member, name };
        bridge.remove()?;
        let settings = [
            format!("datapath_type={}", datapath.type_name()),
            match fail_mode {
                FailMode::Standalone => "fail_mode=standalone".to_owned(),
                FailMode::Secure => "fail_mode=secure".to_owned(),
            },
        ];
        let add = ["add-br", name, "--", "set", "bridge", name];
        run::output(bridge.member.vsctl().args(add).args(settings))?;
        Ok(bridge)
    }

    /// The member whose Open vSwitch it is of.
    pub(crate) fn member(&self) -> &Member {
        &self.member
    }

    /// Takes a link of the member's namespace in.
    ///
    /// # Errors
    /// What `ovs-vsctl` says.
    pub(crate) fn add_port(&self, link: &str) -> Result<()> {
        run::output(self.member.vsctl().args(["add-port", self.name, link]))?;
        Ok(())
    }

    fn remove(&self) -> Result<()> {
        let delete = ["--if-exists", "del-br", self.name];
        run::output(self.member.vsctl().args(delete))?;
        Ok(())
    }
}

impl Drop for ScratchBridge {
    fn drop(&mut self) {
        // The next one begins with this.
        let _ = self.remove();
    }
}
