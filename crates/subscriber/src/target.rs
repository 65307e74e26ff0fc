//! Where a list is written.
//!
//! ```text
//!   file:PATH         an address a line
//!   nginx:PATH        `allow ADDRESS;` a line, for `include`
//!   mysql:USER:PATH   an account 'USER'@'ADDRESS' a line, for the command that grants
//!   nft:FAMILY/TABLE/SET, ipset:NAME   replaced in one step; of the set's own family only
//! ```

pub(crate) mod command;
mod ipset;
mod nft;
mod text;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

pub use nft::NftSet;
pub use text::Form;

/// Where a list is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A text file.
    File {
        /// What a line is.
        form: Form,
        /// Its path.
        path: PathBuf,
    },
    /// A set of nftables, which somebody has made. All its elements are ours.
    Nft(NftSet),
    /// A set of ipset, which somebody has made. All its entries are ours.
    Ipset(String),
}

/// A target that cannot be understood, written or read back.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum TargetError {
    /// It is none.
    #[error(
        "{text:?} is not a target: file:PATH, nginx:PATH, mysql:USER:PATH, nft:FAMILY/TABLE/SET or ipset:NAME"
    )]
    Unknown { text: String },
    /// A name that the program would not take, or would take for something else.
    #[error("{what} {name:?} has characters that {program} does not take, or is too long")]
    Name {
        what: &'static str,
        name: String,
        program: &'static str,
    },
    /// A file cannot be written or read.
    #[error("{path}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A program cannot be run.
    #[error("cannot run {program}")]
    Spawn {
        program: String,
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("`{command}` failed ({status}): {said}")]
    Command {
        command: String,
        status: String,
        said: String,
    },
    /// It did not end.
    #[error("`{command}` has not ended within {} s, and was killed", after.as_secs())]
    TooSlow { command: String, after: Duration },
    /// What a program printed is not what it prints.
    #[error("`{command}` says what this version does not understand: {what}")]
    NotUnderstood { command: String, what: String },
    /// A set that cannot hold addresses, or merges them.
    #[error("{target} cannot be used: {why}")]
    Unfit { target: String, why: String },
    /// It was written and holds something else.
    #[error("{target} does not hold what was written: somebody else writes it too")]
    Differs { target: String },
}

impl TargetError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File { .. } => {
                Some("check that the directory exists and may be written".to_owned())
            }
            Self::Spawn { program, .. } => Some(format!("install {program}, or check $PATH")),
            Self::Command { command, said, .. } if said.contains("No such file or directory") => {
                Some(format!(
                    "make the set first: `nft add set FAMILY TABLE SET '{{ type ipv4_addr; }}'` ({command})"
                ))
            }
            Self::Command { said, .. } if said.contains("does not exist") => {
                Some("make the set first: `ipset create NAME hash:ip family inet`".to_owned())
            }
            Self::Command { said, .. } if said.contains("set is full") => {
                Some("make the set with a larger `maxelem`".to_owned())
            }
            Self::Command { said, .. } if said.contains("not permitted") => {
                Some("run this as root, in the network namespace of the firewall".to_owned())
            }
            Self::Differs { .. } => Some("let one program write it".to_owned()),
            _ => None,
        }
    }
}

impl Target {
    /// Replaces what is there by this list, and reads it back.
    ///
    /// # Errors
    /// [`TargetError`]; what was there is there still, or the list is.
    pub async fn write(&self, list: &BTreeSet<IpAddr>) -> Result<(), TargetError> {
        match self {
            Self::File { form, path } => text::write(form, path, list)?,
            Self::Nft(set) => set.write(list).await?,
            Self::Ipset(name) => ipset::write(name, list).await?,
        }
        match self.holds(list).await? {
            true => Ok(()),
            false => Err(TargetError::Differs {
                target: self.to_string(),
            }),
        }
    }

    /// Whether just this list is there.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn holds(&self, list: &BTreeSet<IpAddr>) -> Result<bool, TargetError> {
        match self {
            Self::File { form, path } => text::holds(form, path, list),
            Self::Nft(set) => set.holds(list).await,
            Self::Ipset(name) => ipset::holds(name, list).await,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { form, path } => match form {
                Form::Plain => write!(f, "file:{}", path.display()),
                Form::Nginx => write!(f, "nginx:{}", path.display()),
                Form::Mysql { user } => write!(f, "mysql:{user}:{}", path.display()),
            },
            Self::Nft(set) => set.fmt(f),
            Self::Ipset(name) => write!(f, "ipset:{name}"),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let unknown = || TargetError::Unknown {
            text: text.to_owned(),
        };
        let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
        let file = |form, path: &str| match path.is_empty() {
            true => Err(unknown()),
            false => Ok(Self::File {
                form,
                path: path.into(),
            }),
        };
        match kind {
            "file" => file(Form::Plain, rest),
            "nginx" => file(Form::Nginx, rest),
            "mysql" => {
                let (user, path) = rest.split_once(':').ok_or_else(unknown)?;
                file(text::mysql(user)?, path)
            }
            "nft" => Ok(Self::Nft(NftSet::parse(rest).ok_or_else(unknown)??)),
            "ipset" => Ok(Self::Ipset(ipset::name(rest)?)),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_as_it_is_read() {
        for text in [
            "file:/etc/app/allowed",
            "nginx:/etc/nginx/allow.d/web.conf",
            "mysql:shop:/run/hosts",
            "nft:inet/filter/web",
            "ipset:web",
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_target_or_would_be_a_command_is_refused() {
        for (text, words) in [
            ("web", "is not a target"),
            ("ftp:x", "nft:FAMILY/TABLE/SET"),
            ("file:", "is not a target"),
            ("mysql:/run/hosts", "is not a target"),
            ("mysql:a'b:/run/hosts", "characters"),
            ("nft:inet/filter", "is not a target"),
            ("nft:net/filter/web", "characters"),
            ("nft:inet/filter/web; flush ruleset", "characters"),
            ("ipset:a b", "characters"),
            ("ipset:abcdefghijklmnopqrstuvwxyz012345", "too long"),
        ] {
            let error = text.parse::<Target>().expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
