//! Text files, an address a line.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use super::TargetError;

/// The longest file that is read back, in bytes: of the longest list of many clusters.
const LONGEST: u64 = 16 << 20;

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// The address.
    Plain,
    /// A directive of nginx (ngx_http_access_module). The configuration that includes the file says `deny all;`
    /// behind it, so that an empty file lets in nobody.
    Nginx,
    /// A name of an account of MySQL.
    Mysql {
        /// The account's user.
        user: String,
    },
}

/// The form of accounts of that user.
///
/// # Errors
/// [`TargetError::Name`].
pub(super) fn mysql(user: &str) -> Result<Form, TargetError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.$".contains(c);
    match (1..=32).contains(&user.len()) && user.chars().all(plain) {
        true => Ok(Form::Mysql {
            user: user.to_owned(),
        }),
        false => Err(TargetError::Name {
            what: "the user",
            name: user.to_owned(),
            program: "MySQL",
        }),
    }
}

fn render(form: &Form, list: &BTreeSet<IpAddr>) -> String {
    let line = |address: &IpAddr| match form {
        Form::Plain => format!("{address}\n"),
        Form::Nginx => format!("allow {address};\n"),
        Form::Mysql { user } => format!("'{user}'@'{address}'\n"),
    };
    list.iter().map(line).collect()
}

pub(super) fn write(form: &Form, path: &Path, list: &BTreeSet<IpAddr>) -> Result<(), TargetError> {
    let written = flatnet_files::replace_shared(path, render(form, list).as_bytes());
    written.map_err(|source| TargetError::File {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn holds(
    form: &Form,
    path: &Path,
    list: &BTreeSet<IpAddr>,
) -> Result<bool, TargetError> {
    let found = flatnet_files::read_if_there(path, LONGEST);
    let found = found.map_err(|source| TargetError::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(found.is_some_and(|bytes| bytes == render(form, list).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_written_whole_and_read_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("list");
        let list: BTreeSet<IpAddr> = ["fd00::1", "10.0.0.10", "10.0.0.9"]
            .map(|a| a.parse().expect("an address"))
            .into();
        let shop = mysql("shop").expect("a user");
        for (form, text) in [
            (Form::Plain, "10.0.0.9\n10.0.0.10\nfd00::1\n"),
            (
                Form::Nginx,
                "allow 10.0.0.9;\nallow 10.0.0.10;\nallow fd00::1;\n",
            ),
            (
                shop,
                "'shop'@'10.0.0.9'\n'shop'@'10.0.0.10'\n'shop'@'fd00::1'\n",
            ),
        ] {
            assert!(!holds(&form, &path, &list).expect("reads"));
            write(&form, &path, &list).expect("writes");
            assert_eq!(std::fs::read_to_string(&path).expect("reads"), text);
            assert!(holds(&form, &path, &list).expect("reads"));
        }
        write(&Form::Nginx, &path, &BTreeSet::new()).expect("writes");
        assert!(holds(&Form::Nginx, &path, &BTreeSet::new()).expect("reads"));
        let nowhere = dir.path().join("no/such");
        let error = write(&Form::Plain, &nowhere, &list).expect_err("no directory");
        assert!(error.hint().is_some_and(|h| h.contains("directory exists")));
    }
}
