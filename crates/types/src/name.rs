//! Checked names, each with the rule of its specification.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Invalid name. The message states the value and the rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// The name is empty.
    #[error("{what} is empty")]
    Empty {
        /// The kind of name: `container ID`.
        what: &'static str,
    },
    /// The name has more characters (bytes) than allowed.
    #[error("{what} {value:?} is longer than {max} bytes")]
    TooLong {
        /// The kind of name: `container ID`.
        what: &'static str,
        /// The offending value, shortened.
        value: String,
        /// The longest allowed, in bytes.
        max: usize,
    },
    /// The name holds a character, or has a form, that is not allowed.
    #[error("{what} {value:?} is not valid: {rule}")]
    Invalid {
        /// The kind of name: `container ID`.
        what: &'static str,
        /// The offending value, shortened.
        value: String,
        /// The rule that it breaks, in words.
        rule: &'static str,
    },
}

/// Shortens a value of any length for an error message.
fn shorten(value: &str) -> String {
    const SHOWN: usize = 64;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// Implements what every string newtype has: a checked constructor, `FromStr`,
/// `Display`, `AsRef<str>`, and serde by way of the check.
macro_rules! string_newtype {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:expr, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Cow<'static, str>);

        impl $name {
            /// Checks `value` and wraps it.
            ///
            /// # Errors
            /// [`NameError`].
            pub fn new(value: impl Into<String>) -> Result<Self, NameError> {
                let value = value.into();
                if value.is_empty() {
                    return Err(NameError::Empty { what: $what });
                }
                if value.len() > $max {
                    return Err(NameError::TooLong {
                        what: $what,
                        value: shorten(&value),
                        max: $max,
                    });
                }
                if let Err(rule) = $check(&value) {
                    return Err(NameError::Invalid { what: $what, value: shorten(&value), rule });
                }
                Ok(Self(Cow::Owned(value)))
            }

            /// The name as a string.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        // Equality, order and hash are those of the text.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, NameError> {
                Self::new(s)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(s: String) -> Result<Self, NameError> {
                Self::new(s)
            }
        }

        impl From<$name> for String {
            fn from(n: $name) -> String {
                n.0.into_owned()
            }
        }
    };
}

/// `^[A-Za-z0-9][A-Za-z0-9_.\-]*$`, the form of CNI 1.1 for container IDs and network
/// names (SPEC.md, "Parameters" and "Configuration format").
fn cni_name(value: &str) -> Result<(), &'static str> {
    const RULE: &str =
        "it must begin with a letter or digit and hold only letters, digits, '_', '.' and '-'";
    let mut bytes = value.bytes();
    let first_ok = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest_ok = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if first_ok && rest_ok {
        Ok(())
    } else {
        Err(RULE)
    }
}

/// The kernel's rule for interface names (`dev_valid_name`), which CNI repeats.
fn if_name(value: &str) -> Result<(), &'static str> {
    if value == "." || value == ".." {
        return Err("'.' and '..' are not interface names");
    }
    if value.contains(['/', ':']) || value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it must hold no '/', ':', white space or control character");
    }
    Ok(())
}

/// Longest container ID or network name, in bytes. CNI sets no limit; runtimes use at most 64, and
/// keys of the store should stay small.
const CNI_NAME_MAX: usize = 253;

/// `IFNAMSIZ` − 1: the longest interface name in bytes.
pub const IF_NAME_MAX: usize = 15;

string_newtype!(
    /// A container's ID as the runtime names it (`CNI_CONTAINERID`).
    ContainerId, "container ID", CNI_NAME_MAX, cni_name
);
string_newtype!(
    /// The name of a network: `name` in a CNI configuration, or a network of the plan.
    NetworkName, "network name", CNI_NAME_MAX, cni_name
);
string_newtype!(
    /// The name of a node, as the plan writes it.
    NodeName, "node name", CNI_NAME_MAX, cni_name
);
string_newtype!(
    /// The name of a network interface: at most 15 bytes.
    IfName, "interface name", IF_NAME_MAX, if_name
);

impl IfName {
    /// A name that is written in the code, for constants: one that is not valid does not compile.
    ///
    /// # Panics
    /// In a constant, which is a compiler's error; elsewhere if the name is empty, too long, or
    /// holds anything but ASCII letters, digits, `-`, `_` and `.`.
    pub const fn literal(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(
            !bytes.is_empty() && bytes.len() <= IF_NAME_MAX,
            "1 to 15 bytes"
        );
        assert!(bytes[0] != b'.', "it may be `.` or `..`");
        let mut at = 0;
        while at < bytes.len() {
            let plain =
                bytes[at].is_ascii_alphanumeric() || matches!(bytes[at], b'-' | b'_' | b'.');
            assert!(plain, "a character that is not for constants");
            at += 1;
        }
        Self(Cow::Borrowed(name))
    }
}

/// The path of a network namespace (`CNI_NETNS`), absolute and without `..`.
///
/// Whether it exists and is a network namespace is checked when it is opened.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
#[serde(try_from = "String", into = "String")]
pub struct NetnsPath(String);

/// Linux's `PATH_MAX` less the final NUL, in bytes.
const PATH_MAX: usize = 4095;

impl NetnsPath {
    /// Checks `value` and wraps it.
    ///
    /// # Errors
    /// [`NameError`] if the path is empty, relative, too long, or holds NUL or `..`.
    pub fn new(value: impl Into<String>) -> Result<Self, NameError> {
        const WHAT: &str = "network namespace path";
        let value = value.into();
        if value.is_empty() {
            return Err(NameError::Empty { what: WHAT });
        }
        if value.len() > PATH_MAX {
            return Err(NameError::TooLong {
                what: WHAT,
                value: shorten(&value),
                max: PATH_MAX,
            });
        }
        let invalid = |rule| NameError::Invalid {
            what: WHAT,
            value: shorten(&value),
            rule,
        };
        if !value.starts_with('/') {
            return Err(invalid("it must be absolute"));
        }
        if value.contains('\0') {
            return Err(invalid("it must hold no NUL"));
        }
        if Path::new(&value)
            .components()
            .any(|c| c == Component::ParentDir)
        {
            return Err(invalid("it must hold no '..'"));
        }
        Ok(Self(value))
    }

    /// The path, which is absolute.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The path as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NetnsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for NetnsPath {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        Self::new(s)
    }
}

impl From<NetnsPath> for String {
    fn from(p: NetnsPath) -> String {
        p.0
    }
}

impl From<NetnsPath> for PathBuf {
    fn from(p: NetnsPath) -> PathBuf {
        p.0.into()
    }
}

/// Identifies an attachment. A pod's name is not part of it: a later pod can have the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttachmentKey {
    /// The `name` of the CNI configuration; GC is per network.
    pub network: NetworkName,
    /// `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// The interface inside the container.
    pub ifname: IfName,
}

impl fmt::Display for AttachmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.network, self.container_id, self.ifname)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids_of_runtimes_are_taken_and_paths_are_not() {
        assert!(ContainerId::new("a1b2c3").is_ok());
        assert!(ContainerId::new("k8s_pod.web-0").is_ok());
        for bad in ["", "../etc", "-x", ".x", "a/b", "a b", "a\0b", "é"] {
            assert!(ContainerId::new(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn interface_names_follow_the_kernel() {
        assert!(IfName::new("eth0").is_ok());
        assert!(IfName::new("123456789012345").is_ok());
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a:b",
            "a b",
            "1234567890123456",
            "a\tb",
            "a\0",
        ] {
            assert!(IfName::new(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_constant_name_is_equal_to_the_same_name_that_was_read() {
        const NAME: IfName = IfName::literal("flat0");
        assert_eq!(IfName::new("flat0"), Ok(NAME));
        assert_eq!(
            (NAME.as_str(), String::from(NAME)),
            ("flat0", "flat0".to_owned())
        );
        for bad in ["", "a/b", ".", "1234567890123456"] {
            assert!(
                std::panic::catch_unwind(|| IfName::literal(bad)).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_namespace_path_is_absolute_and_has_no_parent_components() {
        assert!(NetnsPath::new("/var/run/netns/x").is_ok());
        for bad in ["", "netns", "/run/../etc", "/a\0b"] {
            assert!(NetnsPath::new(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_hostile_value_whole() {
        let err = ContainerId::new("/".repeat(200)).expect_err("slashes are not allowed");
        assert!(err.to_string().len() < 300, "{err}");
    }

    #[test]
    fn serde_checks_names() {
        assert!(serde_json::from_str::<IfName>("\"eth0\"").is_ok());
        assert!(serde_json::from_str::<IfName>("\"a/b\"").is_err());
    }
}
