//! Network namespaces: made, entered on a thread of its own, and removed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use thiserror::Error;

/// Where named namespaces are, as `ip netns` has them (ip-netns(8)).
pub const NETNS_DIR: &str = "/run/netns";
/// What the names of containers' namespaces begin with.
pub const CONTAINER_PREFIX: &str = "fnc-";

/// Why a namespace could not be made, entered or removed.
#[derive(Debug, Error)]
pub enum NetnsError {
    /// A file could not be made, opened or removed.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The kernel refused.
    #[error("cannot {action} namespace {path}")]
    Kernel {
        /// What was tried.
        action: &'static str,
        /// The file that names the namespace.
        path: PathBuf,
        /// The system call's errno.
        #[source]
        source: Errno,
    },
    /// The thread that was to work there panicked or could not start.
    #[error("the thread in namespace {path} did not end well")]
    Thread {
        /// The file that names the namespace.
        path: PathBuf,
    },
}

/// A container's network namespace, `/run/netns/fnc-<id>`, removed on drop.
#[derive(Debug)]
pub struct ContainerNs {
    id: String,
    path: PathBuf,
    kept: bool,
}

impl ContainerNs {
    /// Makes a namespace for a container. What an earlier run left under that name is removed.
    ///
    /// # Errors
    /// [`NetnsError`] if the kernel or the file system refuses, mostly for want of root.
    pub fn create(id: &str) -> Result<Self, NetnsError> {
        let path = Path::new(NETNS_DIR).join(format!("{CONTAINER_PREFIX}{id}"));
        remove(&path)?;
        create(&path)?;
        Ok(Self {
            id: id.to_owned(),
            path,
            kept: false,
        })
    }

    /// The container's ID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The path that goes to `CNI_NETNS`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name that `ip netns` knows it by.
    pub fn name(&self) -> String {
        format!("{CONTAINER_PREFIX}{}", self.id)
    }

    /// Runs a program inside and waits for it.
    ///
    /// # Errors
    /// [`NetnsError`] if the namespace cannot be entered or the program cannot be started.
    pub fn run(&self, command: &mut Command) -> Result<Output, NetnsError> {
        run(&self.path, command)
    }

    /// Leaves the namespace to whoever comes next.
    pub fn keep(mut self) {
        self.kept = true;
    }

    /// Removes the namespace now, as a runtime may before it calls DEL.
    ///
    /// # Errors
    /// [`NetnsError`] if it is in the way and cannot be removed.
    pub fn destroy(self) -> Result<(), NetnsError> {
        remove(&self.path)
    }
}

impl Drop for ContainerNs {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody is left to tell; the next of that name removes it first.
            let _ = remove(&self.path);
        }
    }
}

/// Makes a namespace and binds it to a file.
///
/// # Errors
/// [`NetnsError`] if the kernel or the file system refuses; nothing is left then.
pub fn create(path: &Path) -> Result<(), NetnsError> {
    let file_error = |action| {
        move |source| NetnsError::File {
            action,
            path: path.to_owned(),
            source,
        }
    };
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(file_error("create the directory of"))?;
    }
    File::create_new(path).map_err(file_error("create"))?;
    let made = on_thread(path, || {
        unshare(CloneFlags::CLONE_NEWNET).and_then(|()| {
            let none: Option<&str> = None;
            let own = "/proc/thread-self/ns/net";
            mount(Some(own), path, none, MsFlags::MS_BIND, none)
        })
    });
    let made = made.and_then(|done| {
        done.map_err(|source| NetnsError::Kernel {
            action: "make",
            path: path.to_owned(),
            source,
        })
    });
    if made.is_err() {
        let _ = fs::remove_file(path);
    }
    made
}

/// Removes a namespace's file; the namespace goes when its last process does. Removing the
/// absent is no error.
///
/// # Errors
/// [`NetnsError`] if it is there and cannot be removed.
pub fn remove(path: &Path) -> Result<(), NetnsError> {
    match umount2(path, MntFlags::MNT_DETACH) {
        // Not mounted is EINVAL: a file that an interrupted `create` left.
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(Errno::ENOENT) => return Ok(()),
        Err(source) => {
            return Err(NetnsError::Kernel {
                action: "unmount",
                path: path.to_owned(),
                source,
            });
        }
    }
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(NetnsError::File {
            action: "remove",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Moves the calling thread into a namespace, for good: children inherit it.
///
/// # Errors
/// [`NetnsError`] if it is no network namespace or the kernel refuses.
pub fn enter(path: &Path) -> Result<(), NetnsError> {
    let file = File::open(path).map_err(|source| NetnsError::File {
        action: "open",
        path: path.to_owned(),
        source,
    })?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|source| NetnsError::Kernel {
        action: "enter",
        path: path.to_owned(),
        source,
    })
}

/// Does something inside a namespace, on a thread made for it, and waits.
///
/// # Errors
/// [`NetnsError`] if the namespace cannot be entered or the work panics.
pub fn within<T: Send>(path: &Path, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
    on_thread(path, || enter(path).map(|()| work()))?
}

/// Runs a program inside a namespace and waits for it.
///
/// # Errors
/// [`NetnsError`] if the namespace cannot be entered or the program cannot be started.
pub fn run(path: &Path, command: &mut Command) -> Result<Output, NetnsError> {
    let program = PathBuf::from(command.get_program());
    within(path, || command.output())?.map_err(|source| NetnsError::File {
        action: "run",
        path: program,
        source,
    })
}

fn on_thread<T: Send>(path: &Path, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
    std::thread::scope(|scope| {
        scope.spawn(work).join().map_err(|_| NetnsError::Thread {
            path: path.to_owned(),
        })
    })
}
