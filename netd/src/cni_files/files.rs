//! Writing and deleting the two files, in the order that never leaves a configuration without its plugin.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use thiserror::Error;

/// Where the plugin looks for netd by itself.
const SOCKET: &str = "/run/flatnet/netd.sock";

/// Where the files are.
#[derive(Debug)]
pub(super) struct CniFiles {
    /// The plugin's program.
    pub(super) plugin: PathBuf,
    /// The CNI configuration.
    pub(super) conflist: PathBuf,
}

/// What they are to hold.
#[derive(Debug)]
pub(super) struct Wanted<'p> {
    pub(super) plugin: &'p [u8],
    pub(super) conflist: String,
}

/// A file could not be written or deleted.
#[derive(Debug, Error)]
#[error(
    "cannot {attempted} {}: {source}; the runtime's directories are those of --bin-dir and --conf-dir, \
     and must be writable", path.display()
)]
pub(super) struct FileError {
    attempted: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl FileError {
    fn new(attempted: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self {
            attempted,
            path,
            source,
        }
    }
}

impl CniFiles {
    /// Writes what differs, the configuration last; gives what it wrote.
    ///
    /// # Errors
    /// The first file that cannot be written; the one behind it is not touched.
    pub(super) fn install(&self, wanted: &Wanted<'_>) -> Result<Vec<&Path>, FileError> {
        let mut written = Vec::new();
        if !holds(&self.plugin, wanted.plugin) || !is_executable(&self.plugin) {
            make_directory(&self.plugin)?;
            flatnet_files::replace_program(&self.plugin, wanted.plugin)
                .map_err(FileError::new("write", &self.plugin))?;
            written.push(self.plugin.as_path());
        }
        let conflist = wanted.conflist.as_bytes();
        if !holds(&self.conflist, conflist) {
            make_directory(&self.conflist)?;
            flatnet_files::replace_shared(&self.conflist, conflist)
                .map_err(FileError::new("write", &self.conflist))?;
            written.push(self.conflist.as_path());
        }
        Ok(written)
    }

    /// Deletes the configuration, then the plugin; gives what was there.
    ///
    /// # Errors
    /// The first file that cannot be deleted; the one behind it is not touched.
    pub(super) fn remove(&self) -> Result<Vec<&Path>, FileError> {
        let mut removed = Vec::new();
        for path in [&self.conflist, &self.plugin] {
            match fs::remove_file(path) {
                Ok(()) => {
                    flatnet_files::sync_directory_of(path)
                        .map_err(FileError::new("sync the directory of", path))?;
                    removed.push(path.as_path());
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(FileError::new("delete", path)(e)),
            }
        }
        Ok(removed)
    }
}

fn make_directory(file: &Path) -> Result<(), FileError> {
    let Some(directory) = file.parent() else {
        return Ok(());
    };
    fs::create_dir_all(directory).map_err(FileError::new("make", directory))
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    fs::read(path).is_ok_and(|there| there == bytes)
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o111 == 0o111)
}

/// What the configuration says.
#[derive(Debug)]
pub(super) struct Conflist<'c> {
    /// The network's name.
    pub(super) network: &'c str,
    /// netd's socket.
    pub(super) socket: &'c Path,
    /// Whether pods' annotations choose network, addresses, MAC and trunk.
    pub(super) pod_annotations: bool,
    /// Whether the reference plugin `portmap` follows, for `hostPort`.
    pub(super) portmap: bool,
}

impl Conflist<'_> {
    /// The file's content, as docs/cni.md recommends it: plugins of every age read version 1.0.0.
    pub(super) fn text(&self) -> String {
        // Of an address or a MAC that the runtime asks for, nobody knows who granted it.
        let mut plugin = match self.pod_annotations {
            false => json!({
                "type": "flatnet",
                "capabilities": {"ips": true, "mac": true, "bandwidth": true},
            }),
            true => json!({
                "type": "flatnet",
                "podAnnotations": "admitted",
                "capabilities": {"bandwidth": true, "io.kubernetes.cri.pod-annotations": true},
            }),
        };
        if self.socket != Path::new(SOCKET) {
            plugin["socket"] = json!(self.socket);
        }
        let mut plugins = vec![plugin];
        if self.portmap {
            plugins.push(json!({"type": "portmap", "capabilities": {"portMappings": true}}));
        }
        let list = json!({"cniVersion": "1.0.0", "name": self.network, "plugins": plugins});
        format!("{list:#}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path) -> CniFiles {
        CniFiles {
            plugin: dir.join("bin/flatnet"),
            conflist: dir.join("net.d/10-flatnet.conflist"),
        }
    }

    fn plain(network: &str) -> Conflist<'_> {
        Conflist {
            network,
            socket: Path::new(SOCKET),
            pod_annotations: false,
            portmap: false,
        }
    }

    fn wanted(network: &str) -> Wanted<'static> {
        Wanted {
            plugin: b"program",
            conflist: plain(network).text(),
        }
    }

    #[test]
    fn the_plugin_is_there_before_the_configuration_and_goes_after_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = files(dir.path());
        let written = files.install(&wanted("web")).expect("written");
        assert_eq!(written, [&files.plugin, &files.conflist]);
        assert!(is_executable(&files.plugin));
        let removed = files.remove().expect("deleted");
        assert_eq!(removed, [&files.conflist, &files.plugin]);
        assert_eq!(files.remove().expect("nothing to do"), Vec::<&Path>::new());
    }

    #[test]
    fn what_is_right_is_not_written_again_and_what_was_changed_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = files(dir.path());
        files.install(&wanted("web")).expect("written");
        assert!(files.install(&wanted("web")).expect("looked").is_empty());
        assert_eq!(
            files.install(&wanted("db")).expect("written"),
            [&files.conflist]
        );
        fs::write(&files.plugin, "older").expect("changed");
        assert_eq!(
            files.install(&wanted("db")).expect("written"),
            [&files.plugin]
        );
    }

    #[test]
    fn without_the_plugin_there_is_no_configuration() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = files(dir.path());
        fs::write(dir.path().join("bin"), "no directory").expect("written");
        let error = files.install(&wanted("web")).expect_err("refused");
        assert!(error.to_string().contains("--bin-dir"), "{error}");
        assert!(!files.conflist.exists());
    }

    #[test]
    fn nothing_is_left_beside_the_files() {
        let dir = tempfile::tempdir().expect("a directory");
        files(dir.path()).install(&wanted("web")).expect("written");
        for (name, count) in [("bin", 1), ("net.d", 1)] {
            let entries = fs::read_dir(dir.path().join(name)).expect("the directory");
            assert_eq!(entries.count(), count, "{name}");
        }
    }

    #[test]
    fn the_configuration_is_that_of_deploy() {
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        let deployed = include_str!("../../../deploy/cni/10-flatnet.conflist");
        assert_eq!(parse(&plain("web").text()), parse(deployed));
        let annotated = Conflist {
            pod_annotations: true,
            ..plain("web")
        };
        let deployed = include_str!("../../../deploy/cni/10-flatnet-annotations.conflist");
        assert_eq!(parse(&annotated.text()), parse(deployed));
        let other = Conflist {
            socket: Path::new("/run/other.sock"),
            portmap: true,
            ..plain("web")
        };
        let other = parse(&other.text());
        assert_eq!(other["plugins"][0]["socket"], "/run/other.sock");
        assert_eq!(other["plugins"][1]["type"], "portmap");
    }
}
