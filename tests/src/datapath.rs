//! Which datapath the Open vSwitch of every member has: the kernel's module, or its userspace.

use std::fs;
use std::io;

use clap::ValueEnum;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::files;
use crate::paths::Layout;

/// The datapath of the lab's switches and nodes; it stays the same as long as the lab is up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Datapath {
    /// Open vSwitch's userspace: it runs on every kernel.
    #[default]
    User,
    /// The kernel's module `openvswitch`: what nodes in production have.
    Kernel,
}

impl Datapath {
    /// The column `datapath_type` of a bridge, and what netd's `--datapath` takes.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::User => "netdev",
            Self::Kernel => "system",
        }
    }

    /// The value of `--datapath` on the lab's command line, and the text of the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Kernel => "kernel",
        }
    }

    /// The datapath of the lab that is up; a lab that was raised before there was a choice has
    /// the userspace one.
    ///
    /// # Errors
    /// [`Error::Io`] where the file is there and cannot be read, [`Error::Unsupported`] where it
    /// has another word than [`Datapath::name`] gives.
    pub(crate) fn of(layout: &Layout) -> Result<Self> {
        let path = layout.datapath();
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(text.trim()).ok_or_else(|| {
                Error::Unsupported(format!(
                    "{} says {:?} and not `user` or `kernel`: `flatnet-lab down` first",
                    path.display(),
                    text.trim()
                ))
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::User),
            Err(e) => Err(Error::io("read", path)(e)),
        }
    }

    /// Keeps it in the lab's state.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn write(self, layout: &Layout) -> Result<()> {
        let text = format!("{}\n", self.name());
        files::write_if_changed(&layout.datapath(), text.as_bytes()).map(drop)
    }

    /// The datapath to raise the lab with: the wanted one, unless a running lab has another.
    ///
    /// # Errors
    /// [`Error::AnotherDatapath`].
    pub(crate) fn choose(running: Option<Self>, wanted: Option<Self>) -> Result<Self> {
        match (running, wanted) {
            (Some(running), Some(wanted)) if running != wanted => Err(Error::AnotherDatapath {
                running: running.name(),
                wanted: wanted.name(),
            }),
            (Some(datapath), _) | (None, Some(datapath)) => Ok(datapath),
            (None, None) => Ok(Self::default()),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::value_variants()
            .iter()
            .copied()
            .find(|d| d.name() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_lab_keeps_its_datapath_and_refuses_another() {
        use Datapath::{Kernel, User};
        let choose = Datapath::choose;
        assert_eq!(choose(None, None).expect("the default"), User);
        assert_eq!(choose(None, Some(Kernel)).expect("free choice"), Kernel);
        assert_eq!(choose(Some(Kernel), None).expect("as it is"), Kernel);
        assert_eq!(choose(Some(User), Some(User)).expect("the same"), User);
        let refused = choose(Some(Kernel), Some(User)).expect_err("another");
        let text = refused.to_string();
        assert!(text.contains("kernel") && text.contains("down"), "{text}");
    }

    #[test]
    fn the_labs_state_keeps_the_datapath_and_is_userspace_where_it_says_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let layout = Layout::at(dir.path());
        assert_eq!(Datapath::of(&layout).expect("read"), Datapath::User);
        for datapath in [Datapath::Kernel, Datapath::User] {
            datapath.write(&layout).expect("written");
            assert_eq!(Datapath::of(&layout).expect("read"), datapath);
        }
        fs::write(layout.datapath(), "both").expect("written");
        let refused = Datapath::of(&layout).expect_err("no datapath").to_string();
        assert!(refused.contains("both"), "{refused}");
    }
}
