//! The environment variables of a call: command, container, interface, namespace.

use std::ffi::OsString;
use std::fmt;

use thiserror::Error;

use super::value::shorten;
use crate::api::code;
use crate::{ContainerId, IfName, NameError, NetnsPath};

/// The command (`CNI_COMMAND`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Attach a container.
    Add,
    /// Detach it.
    Del,
    /// Compare the attachment with `prevResult`.
    Check,
    /// Report whether an ADD could succeed.
    Status,
    /// Release attachments that the runtime does not list.
    Gc,
    /// Report the supported versions.
    Version,
}

impl Command {
    const ALL: [Self; 6] = [
        Self::Add,
        Self::Del,
        Self::Check,
        Self::Status,
        Self::Gc,
        Self::Version,
    ];

    /// The spelling in `CNI_COMMAND`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Status => "STATUS",
            Self::Gc => "GC",
            Self::Version => "VERSION",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A variable, and the commands that require it.
struct Variable {
    name: &'static str,
    needed_by: &'static [Command],
}

const COMMAND: &str = "CNI_COMMAND";
const CONTAINER_ID: &str = "CNI_CONTAINERID";
const NETNS: &str = "CNI_NETNS";
const IFNAME: &str = "CNI_IFNAME";
const ARGS: &str = "CNI_ARGS";

/// Every variable that is read, and the commands that require it (SPEC.md 1.1.0, "CNI operations").
///
/// `CNI_PATH` is not read: the reference library requires it, the specification calls it optional,
/// and Flatnet delegates to no plugin. DEL works without `CNI_NETNS`, since the namespace may be
/// gone.
const VARIABLES: [Variable; 4] = [
    Variable {
        name: CONTAINER_ID,
        needed_by: &[Command::Add, Command::Check, Command::Del],
    },
    Variable {
        name: NETNS,
        needed_by: &[Command::Add, Command::Check],
    },
    Variable {
        name: IFNAME,
        needed_by: &[Command::Add, Command::Check, Command::Del],
    },
    Variable {
        name: ARGS,
        needed_by: &[],
    },
];

/// Invalid environment. Each message names the variable, as the specification requires for code 4.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvError {
    /// `CNI_COMMAND` is not set: the plugin was probably run by hand.
    #[error("CNI_COMMAND is not set")]
    NoCommand,
    /// Unknown command.
    #[error("CNI_COMMAND {value:?} is unknown: ADD, DEL, CHECK, STATUS, GC and VERSION are served")]
    UnknownCommand {
        /// The value, shortened.
        value: String,
    },
    /// Variables that the command needs are not set.
    #[error("{command} needs {}, which the runtime did not set", .variables.join(", "))]
    Missing {
        /// The value of `CNI_COMMAND`.
        command: Command,
        /// All that are missing.
        variables: Vec<&'static str>,
    },
    /// A value that is not UTF-8.
    #[error("{variable} is not UTF-8")]
    NotUtf8 {
        /// Name of the environment variable.
        variable: &'static str,
    },
    /// Invalid value.
    #[error("{variable}: {source}")]
    Invalid {
        /// Name of the environment variable.
        variable: &'static str,
        /// The rule that the value breaks.
        #[source]
        source: NameError,
    },
}

impl EnvError {
    /// CNI's code for it: always 4, "invalid necessary environment variables".
    pub fn cni_code(&self) -> u32 {
        code::INVALID_ENVIRONMENT
    }
}

/// The container and interface that ADD, DEL and CHECK are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// `CNI_IFNAME`.
    pub ifname: IfName,
}

/// A call with the variables that its command needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Attach.
    Add {
        /// The container and its interface.
        target: Target,
        /// `CNI_NETNS`.
        netns: NetnsPath,
        /// `CNI_ARGS`, not parsed.
        args: String,
    },
    /// Detach.
    Del {
        /// The container and its interface.
        target: Target,
        /// `CNI_NETNS`, if the runtime still knows it. An invalid path counts as unknown, so that
        /// DEL does not fail for it.
        netns: Option<NetnsPath>,
    },
    /// CHECK.
    Check {
        /// The container and its interface.
        target: Target,
        /// `CNI_NETNS`.
        netns: NetnsPath,
    },
    /// STATUS.
    Status,
    /// GC.
    Gc,
    /// VERSION.
    Version,
}

/// Access to the variables; an empty one counts as not set.
struct Env<'a>(&'a dyn Fn(&str) -> Option<OsString>);

impl Env<'_> {
    fn is_set(&self, name: &str) -> bool {
        (self.0)(name).is_some_and(|v| !v.is_empty())
    }

    fn text(&self, variable: &'static str) -> Result<String, EnvError> {
        let value = (self.0)(variable).unwrap_or_default();
        value
            .into_string()
            .map_err(|_| EnvError::NotUtf8 { variable })
    }

    fn name<T>(
        &self,
        variable: &'static str,
        check: fn(String) -> Result<T, NameError>,
    ) -> Result<T, EnvError> {
        check(self.text(variable)?).map_err(|source| EnvError::Invalid { variable, source })
    }

    fn target(&self) -> Result<Target, EnvError> {
        Ok(Target {
            container_id: self.name(CONTAINER_ID, ContainerId::new)?,
            ifname: self.name(IFNAME, IfName::new)?,
        })
    }

    fn netns(&self) -> Result<NetnsPath, EnvError> {
        self.name(NETNS, NetnsPath::new)
    }
}

impl Call {
    /// Parses the environment; `get` is `std::env::var_os` in the plugin.
    ///
    /// # Errors
    /// [`EnvError`]: an unknown command, all missing variables, or the first invalid value.
    pub fn from_env(get: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, EnvError> {
        let env = Env(get);
        if !env.is_set(COMMAND) {
            return Err(EnvError::NoCommand);
        }
        let asked = env.text(COMMAND)?;
        let command = Command::ALL
            .into_iter()
            .find(|c| c.as_str() == asked)
            .ok_or_else(|| EnvError::UnknownCommand {
                value: shorten(&asked),
            })?;
        let missing: Vec<_> = VARIABLES
            .iter()
            .filter(|v| v.needed_by.contains(&command) && !env.is_set(v.name))
            .map(|v| v.name)
            .collect();
        if !missing.is_empty() {
            return Err(EnvError::Missing {
                command,
                variables: missing,
            });
        }
        Ok(match command {
            Command::Add => Self::Add {
                target: env.target()?,
                netns: env.netns()?,
                args: env.text(ARGS)?,
            },
            Command::Del => Self::Del {
                target: env.target()?,
                netns: env.netns().ok(),
            },
            Command::Check => Self::Check {
                target: env.target()?,
                netns: env.netns()?,
            },
            Command::Status => Self::Status,
            Command::Gc => Self::Gc,
            Command::Version => Self::Version,
        })
    }
}
