//! Packages that are fetched by apt and unpacked, and never installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Which of the packages that others need are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Those that this machine lacks.
    Lacking,
    /// All, as for a machine that has nothing.
    All,
}

/// apt with a package list of its own, which leaves the machine's alone.
#[derive(Debug)]
pub(crate) struct Apt {
    dir: PathBuf,
}

impl Apt {
    /// apt whose list and state are in this directory, and that asks the archives of these
    /// paragraphs (deb822(5)).
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub(crate) fn begin(dir: PathBuf, sources: &str) -> Result<Self> {
        for part in ["lists/partial", "archives/partial", "none"] {
            let part = dir.join(part);
            fs::create_dir_all(&part)
                .with_context(|| format!("cannot create {}", part.display()))?;
        }
        let list = dir.join("guest.sources");
        fs::write(&list, sources).with_context(|| format!("cannot write {}", list.display()))?;
        Ok(Self { dir })
    }

    /// Asks the archive what there is now.
    ///
    /// # Errors
    /// If it cannot be reached, with apt's last words.
    pub(crate) fn update(&self) -> Result<()> {
        self.get(&["update", "-qq"]).map(drop)
    }

    /// The names of a package and of all that it depends on, directly or not.
    ///
    /// # Errors
    /// If apt fails, with its last words.
    pub(crate) fn closure(&self, name: &str) -> Result<Vec<String>> {
        let args = ["depends", "--recurse", "--important", name];
        let out = done(&mut self.command("apt-cache", &args))?;
        Ok(names_of(&String::from_utf8_lossy(&out.stdout)))
    }

    /// The packages' file names in the newest version that the list has, such as
    /// `libc6_2.43-7_amd64.deb`, in the order of `names`.
    ///
    /// # Errors
    /// If the archive has no such package, with apt's last words.
    pub(crate) fn newest(&self, names: &[String]) -> Result<Vec<String>> {
        let mut args = vec!["download", "--print-uris", "-qq"];
        args.extend(names.iter().map(String::as_str));
        let out = self.get(&args)?;
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let files = file_names(&said);
        let in_order = names.iter().map(|name| {
            let begins = format!("{name}_");
            let found = files.iter().find(|file| file.starts_with(&begins));
            found
                .cloned()
                .with_context(|| format!("the archive has no package {name}; apt said: {said}"))
        });
        in_order.collect()
    }

    /// Downloads the packages into the directory `to`.
    ///
    /// # Errors
    /// If apt fails, with its last words.
    pub(crate) fn download(&self, names: &[String], to: &Path) -> Result<()> {
        let mut args = vec!["download", "-qq"];
        args.extend(names.iter().map(String::as_str));
        let mut command = self.command("apt-get", &args);
        done(command.current_dir(to)).map(drop)
    }

    /// The newest versions of packages and of what they need, as file names in the alphabet's order.
    ///
    /// # Errors
    /// If the archive cannot be reached or has no such package, with apt's last words.
    pub(crate) fn with_needs(&self, needs: Needs, names: &[String]) -> Result<Vec<String>> {
        self.update()?;
        let out = done(self.install(needs, names).arg("--print-uris"))?;
        let mut files = file_names(&String::from_utf8_lossy(&out.stdout));
        files.sort();
        Ok(files)
    }

    /// Downloads packages and what they need into the directory `to`.
    ///
    /// # Errors
    /// If apt fails, with its last words.
    pub(crate) fn download_with_needs(
        &self,
        needs: Needs,
        names: &[String],
        to: &Path,
    ) -> Result<()> {
        let partial = to.join("partial");
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot create {}", partial.display()))?;
        let archives = format!("Dir::Cache::archives={}", to.display());
        done(
            self.install(needs, names)
                .args(["--download-only", "-o", &archives]),
        )?;
        fs::remove_dir_all(&partial).with_context(|| format!("cannot delete {}", partial.display()))
    }

    /// An installation that is not carried out, and so takes no lock of the machine's.
    fn install(&self, needs: Needs, names: &[String]) -> Command {
        let mut command = self.command(
            "apt-get",
            &["install", "-qq", "--yes", "--no-install-recommends"],
        );
        if needs == Needs::All {
            // No package is installed.
            command.args(["-o", "Dir::State::status=/dev/null"]);
        }
        command.args(["-o", "Debug::NoLocking=true"]).args(names);
        command
    }

    fn get(&self, args: &[&str]) -> Result<Output> {
        done(&mut self.command("apt-get", args))
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut apt = Command::new(program);
        let dir = |part: &str| self.dir.join(part).display().to_string();
        for (key, value) in [
            ("Dir::Etc::sourcelist", dir("guest.sources")),
            ("Dir::Etc::sourceparts", dir("none")),
            // The machine's pins are about what is installed on it.
            ("Dir::Etc::preferences", "/dev/null".to_owned()),
            ("Dir::Etc::preferencesparts", dir("none")),
            ("Dir::State::lists", dir("lists")),
            ("Dir::Cache", dir("archives")),
            ("Acquire::Languages", "none".to_owned()),
            ("Acquire::Retries", "2".to_owned()),
            ("Acquire::http::Timeout", "20".to_owned()),
            // The user `_apt` cannot read a home directory's cache.
            ("APT::Sandbox::User", "root".to_owned()),
            // Lists of other tools, which are large.
            (
                "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled",
                "false".to_owned(),
            ),
            (
                "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled",
                "false".to_owned(),
            ),
            // A failed download is an error, also where an older list would do.
            ("APT::Update::Error-Mode", "any".to_owned()),
        ] {
            apt.arg("-o").arg(format!("{key}={value}"));
        }
        apt.args(args).stdin(Stdio::null());
        apt
    }
}

/// Unpacks a package over a directory whose links to directories stay: `lib` to `usr/lib`.
///
/// # Errors
/// If dpkg-deb or tar fails.
pub(crate) fn unpack_over(package: &Path, to: &Path) -> Result<()> {
    let mut unpacked = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run dpkg-deb")?;
    let archive = unpacked.stdout.take().context("dpkg-deb has no output")?;
    let status = Command::new("tar")
        .args(["-x", "--keep-directory-symlink", "-C"])
        .arg(to)
        .stdin(archive)
        .status()
        .context("cannot run tar")?;
    let first = unpacked.wait()?;
    ensure!(
        status.success() && first.success(),
        "{} cannot be unpacked: dpkg-deb {first}, tar {status}",
        package.display()
    );
    Ok(())
}

/// Unpacks a package into a directory.
///
/// # Errors
/// If dpkg-deb fails.
pub(crate) fn unpack(package: &Path, to: &Path) -> Result<()> {
    done(Command::new("dpkg-deb").arg("-x").arg(package).arg(to)).map(drop)
}

/// Runs a program to its end.
///
/// # Errors
/// If it cannot be run or fails, with its last words.
pub(crate) fn done(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        let lines: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(3)..].join("; ");
        bail!("{program} failed ({}): {last}", out.status);
    }
    Ok(out)
}

/// The file names in what `apt-get download --print-uris` says:
/// `'http://…/libc6_2.43-7_amd64.deb' libc6_2.43-7_amd64.deb 1866392 SHA256:…`.
fn file_names(uris: &str) -> Vec<String> {
    let lines = uris.lines().filter(|line| line.starts_with('\''));
    lines
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(str::to_owned)
        .collect()
}

/// The packages in what `apt-cache depends --recurse` says: each begins a line, and what it
/// depends on is below it, indented.
fn names_of(tree: &str) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let lines = tree.lines().filter(|l| l.starts_with(plain));
    lines.map(str::to_owned).collect()
}

/// Makes a program of a newer suite run on this machine: with the libraries that were unpacked with
/// it into `tree`. They go to `dir`, which will be `home`.
///
/// # Errors
/// If there are none, or patchelf fails.
pub(crate) fn patch(tree: &Path, program: &Path, dir: &Path, home: &Path) -> Result<()> {
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(program, mode)
        .with_context(|| format!("the package has no {}", program.display()))?;
    let libraries = find(&tree.join("usr/lib"), "libc.so.6")?;
    fs::rename(&libraries, dir.join("libc"))?;
    let loader = find_entry(&dir.join("libc"), |name| name.starts_with("ld-linux"))?;
    let home = home.join("libc");
    done(
        Command::new("patchelf")
            .arg("--set-interpreter")
            .arg(home.join(loader))
            .arg("--set-rpath")
            .arg(&home)
            .arg(program),
    )
    .map(drop)
}

/// The directory just below `dir` that has the file.
fn find(dir: &Path, file: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.join(file).exists() {
            return Ok(path);
        }
    }
    bail!("the packages have no {file} below {}", dir.display())
}

fn find_entry(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<String> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut names =
        entries.filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()));
    names
        .find(|name| wanted(name))
        .with_context(|| format!("{} lacks a file that it should have", dir.display()))
}

/// The one name in a directory: of the modules', the kernel's release, `7.2.7`.
///
/// # Errors
/// If it has none.
pub(crate) fn only_entry(dir: &Path) -> Result<String> {
    find_entry(dir, |_| true)
}

/// What tells one set of versions from another, fit for the name of a directory.
///
/// # Errors
/// If a name has anything but what names of package files have.
pub(crate) fn key(files: &[String]) -> Result<String> {
    // No comma, which parts them.
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-.~_%".contains(c);
    for file in files {
        ensure!(
            file.ends_with(".deb") && file.chars().all(plain),
            "{file:?} is no name of a package's file"
        );
    }
    // Without the architecture: a name in a directory has 255 bytes at most.
    let stem = |file: &String| {
        file.rsplit_once('_')
            .map_or("", |(stem, _)| stem)
            .to_owned()
    };
    Ok(files.iter().map(stem).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_that_the_archive_has_are_read_from_apts_list() {
        let said = "'http://m.example/pool/u/user-mode-linux_7.2um1_amd64.deb' \
                    user-mode-linux_7.2um1_amd64.deb 36430088 SHA256:12\n\
                    'http://m.example/pool/g/libc6_2.43-7_amd64.deb' libc6_2.43-7_amd64.deb 18 \
                    SHA256:34\nN: a notice\n";
        assert_eq!(
            file_names(said),
            ["user-mode-linux_7.2um1_amd64.deb", "libc6_2.43-7_amd64.deb"]
        );
    }

    #[test]
    fn the_key_of_a_cache_entry_is_every_packages_version() {
        let files = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        let one = key(&files(&["a_1.0-1_amd64.deb", "b_2%3a3+b1_amd64.deb"])).expect("a key");
        assert_eq!(one, "a_1.0-1,b_2%3a3+b1");
        let other = key(&files(&["a_1.0-1_amd64.deb", "b_2%3a4_amd64.deb"])).expect("a key");
        assert_ne!(one, other);
        assert!(key(&files(&["../x.deb"])).is_err());
        assert!(key(&files(&["a_1.0-1_amd64"])).is_err());
    }

    #[test]
    fn the_packages_that_one_needs_are_the_lines_that_are_not_indented() {
        let said = "linux-image-cloud-amd64\n  Depends: linux-image-7.2-cloud-amd64\n\
                    linux-image-7.2-cloud-amd64\n |Depends: dracut\n  Depends: <initramfs>\n\
                    dracut\n<initramfs>\n  PreDepends: dpkg\n";
        let names = names_of(said);
        let expected = [
            "linux-image-cloud-amd64",
            "linux-image-7.2-cloud-amd64",
            "dracut",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such package >&2; exit 100"]);
        let error = done(&mut command).expect_err("it fails").to_string();
        assert!(error.contains("no such package"), "{error}");
    }
}
