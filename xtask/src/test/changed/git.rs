//! What has changed, as git says.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The branch that changes go to.
const MAIN: &str = "main";

/// Files that differ from where a change began, and that commit.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) base: String,
    pub(crate) files: Vec<String>,
}

/// What differs from where this branch left `base`: commits, what is not committed, and files that
/// git does not know yet. Without `base`: from where it left the main branch's upstream, or, where
/// there is none, the commit before.
///
/// # Errors
/// If git fails or does not know `base`.
pub(crate) fn changed(root: &Path, base: Option<&str>) -> Result<Changed> {
    let base = match base {
        Some(base) => match git(root, &["merge-base", "HEAD", base]) {
            Ok(common) => common,
            // No common history: what differs from it at all.
            Err(_) => commit(root, base)?,
        },
        None => {
            let upstream = format!("{MAIN}@{{upstream}}");
            match git(root, &["merge-base", "HEAD", &upstream]) {
                Ok(common) => common,
                Err(_) => commit(root, "HEAD~1")
                    .context("there is no commit before this one: name a base")?,
            }
        }
    };
    let base = base.trim().to_owned();
    // Without renames both names of a file are listed.
    let differ = git(root, &["diff", "--name-only", "--no-renames", "-z", &base])?;
    let unknown = git(root, &["ls-files", "--others", "--exclude-standard", "-z"])?;
    let files = differ.split('\0').chain(unknown.split('\0'));
    let mut files: Vec<String> = files.filter(|f| !f.is_empty()).map(str::to_owned).collect();
    files.sort();
    files.dedup();
    Ok(Changed { base, files })
}

fn commit(root: &Path, name: &str) -> Result<String> {
    let commit = format!("{name}^{{commit}}");
    git(root, &["rev-parse", "--verify", "--quiet", &commit])
        .with_context(|| format!("git knows no commit {name}"))
}

fn git(root: &Path, args: &[&str]) -> Result<String> {
    let out = Command::new("git")
        .current_dir(root)
        .args(args)
        .output()
        .context("cannot run git")?;
    ensure!(
        out.status.success(),
        "git {} failed: {}",
        args.join(" "),
        String::from_utf8_lossy(&out.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_what_is_not_committed_and_what_git_does_not_know_are_changes() {
        let dir = std::env::temp_dir().join(format!("flatnet-changed-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("written");
        let run = |args: &[&str]| {
            let who = ["-c", "user.name=x", "-c", "user.email=x@localhost"];
            let args: Vec<&str> = who.iter().chain(args).copied().collect();
            git(&dir, &args).expect("git works")
        };
        run(&["init", "--quiet", "--initial-branch", MAIN]);
        for name in ["kept", "edited", "moved", "öld"] {
            write(name, name);
        }
        run(&["add", "."]);
        run(&["commit", "--quiet", "--message", "first"]);
        assert!(changed(&dir, None).is_err(), "there is no commit before");
        run(&["mv", "moved", "there"]);
        run(&["commit", "--quiet", "--all", "--message", "second"]);
        write("edited", "anew");
        write("öld", "anew");
        write("new", "");
        let found = changed(&dir, None).expect("git works");
        assert_eq!(found.files, ["edited", "moved", "new", "there", "öld"]);
        let found = changed(&dir, Some("HEAD")).expect("git works");
        assert_eq!(found.files, ["edited", "new", "öld"]);
        assert!(changed(&dir, Some("nowhere")).is_err());
        let _ = std::fs::remove_dir_all(&dir);
    }
}
