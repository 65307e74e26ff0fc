//! Container images as files, without a registry: OCI layouts in a tar, which `ctr -n k8s.io images
//! import` takes.
//!
//! The same files make the same image: entries are sorted, owned by root, and of the year 1970.

mod builder;
mod capable;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) use self::builder::builder;
use self::capable::Capable;
use crate::binaries::{Binaries, Purpose};
use crate::{host, report};

/// netd's image, as the manifests in deploy/kubernetes name it.
pub(crate) const NETD: &str = "flatnet.io/netd:0.1.0";
/// vpc-route's.
pub(crate) const VPC_ROUTE: &str = "flatnet.io/vpc-route:0.1.0";
/// The authorities that a program in an image trusts, where OpenSSL and rustls look for them; Debian's package
/// ca-certificates makes the file.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How an image of a daemon is written: of which binaries, to which file.
type Writer = fn(&Binaries, &Path) -> Result<()>;
/// The images of daemons, each by its file's name.
pub(crate) const ALL: [(&str, Writer); 4] = [
    ("netd", netd),
    ("ipamd", ipamd),
    ("addressd", addressd),
    ("vpc-route", vpc_route),
];

/// addressd's image, as the manifest in deploy/kubernetes names it.
pub(crate) const ADDRESSD: &str = "flatnet.io/addressd:0.1.0";
/// ipamd's image, as the manifest in deploy/kubernetes names it.
pub(crate) const IPAMD: &str = "flatnet.io/ipamd:0.1.0";

/// What an image is, beside its files.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    /// Its name with its tag.
    pub(crate) name: &'a str,
    /// What it runs, unless a container says something else.
    pub(crate) entrypoint: &'a [&'a str],
    /// Where its programs are.
    pub(crate) path: &'a str,
}

/// `cargo xtask image`: one image, or those of all daemons.
///
/// # Errors
/// If there is no image of that name, or one cannot be made.
pub(crate) fn command(name: Option<&str>, to: Option<PathBuf>) -> Result<()> {
    let place = |binaries: &Binaries, name| binaries.dir().join(format!("{name}-image.tar"));
    let made = |file: &Path| report::line(&format!("  {}", file.display()));
    if name == Some("builder") {
        let to = to.unwrap_or_else(|| Purpose::Release.directory().join("builder-image.tar"));
        builder(std::env::var_os(host::OFFLINE).is_some(), &to)?;
        made(&to);
        return Ok(());
    }
    let wanted = |&(known, _): &(&str, Writer)| name.is_none_or(|name| name == known);
    let wanted: Vec<_> = ALL.into_iter().filter(wanted).collect();
    ensure!(
        !wanted.is_empty(),
        "there is no image {}; there are builder and {}",
        name.unwrap_or_default(),
        ALL.map(|(name, _)| name).join(", ")
    );
    let binaries = Binaries::build(Purpose::Release)?;
    for (name, write) in wanted {
        let to = to.clone().unwrap_or_else(|| place(&binaries, name));
        write(&binaries, &to)?;
        made(&to);
    }
    Ok(())
}

/// Writes netd's image: netd and the CNI plugin, and nothing else.
///
/// # Errors
/// If a file cannot be read or written.
pub(crate) fn netd(binaries: &Binaries, to: &Path) -> Result<()> {
    let root = Scratch::beside(to)?;
    let programs = root.0.join("usr/local/bin");
    fs::create_dir_all(&programs)?;
    for program in ["netd", "flatnet"] {
        copy_program(&binaries.dir().join(program), &programs.join(program))?;
    }
    // A runtime names namespaces in /var/run/netns, and the manifest mounts /run/netns.
    fs::create_dir_all(root.0.join("var"))?;
    symlink("../run", root.0.join("var/run"))?;
    let image = Image {
        name: NETD,
        entrypoint: &["/usr/local/bin/netd"],
        path: "/usr/local/bin",
    };
    write(&image, &root.0, to)
}

/// Writes ipamd's image.
///
/// # Errors
/// If a file cannot be read or written.
pub(crate) fn ipamd(binaries: &Binaries, to: &Path) -> Result<()> {
    one_program(binaries, (IPAMD, "ipamd"), to)
}

/// Writes addressd's image.
///
/// # Errors
/// If a file cannot be read or written.
pub(crate) fn addressd(binaries: &Binaries, to: &Path) -> Result<()> {
    one_program(binaries, (ADDRESSD, "addressd"), to)
}

/// An image of a program, and nothing else.
fn one_program(binaries: &Binaries, (name, program): (&str, &str), to: &Path) -> Result<()> {
    let root = Scratch::beside(to)?;
    let programs = root.0.join("usr/local/bin");
    fs::create_dir_all(&programs)?;
    copy_program(&binaries.dir().join(program), &programs.join(program))?;
    let image = Image {
        name,
        entrypoint: &[&format!("/usr/local/bin/{program}")],
        path: "/usr/local/bin",
    };
    write(&image, &root.0, to)
}

/// Writes vpc-route's image: the program, and the authorities of the cloud's API.
///
/// # Errors
/// If a file cannot be read or written.
pub(crate) fn vpc_route(binaries: &Binaries, to: &Path) -> Result<()> {
    let root = Scratch::beside(to)?;
    let programs = root.0.join("usr/local/bin");
    fs::create_dir_all(&programs)?;
    let program = "vpc-route";
    copy_program(&binaries.dir().join(program), &programs.join(program))?;
    let trusted = root.0.join(AUTHORITIES.trim_start_matches('/'));
    fs::create_dir_all(root.0.join("etc/ssl/certs"))?;
    fs::copy(AUTHORITIES, &trusted).with_context(|| {
        format!("cannot copy {AUTHORITIES} (Debian: apt-get install ca-certificates)")
    })?;
    fs::set_permissions(&trusted, fs::Permissions::from_mode(0o644))?;
    let image = Image {
        name: VPC_ROUTE,
        entrypoint: &["/usr/local/bin/vpc-route"],
        path: "/usr/local/bin",
    };
    write(&image, &root.0, to)
}

/// Copies a program, for everybody to run.
///
/// # Errors
/// If it cannot be read or written.
pub(crate) fn copy_program(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Copies busybox, with a link for each of its commands that the directory has not yet.
///
/// # Errors
/// If it cannot be run, read or written.
pub(crate) fn copy_busybox(program: &Path, bin: &Path) -> Result<()> {
    let listed = Command::new(program).arg("--list").output();
    let listed = listed.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(listed.status.success(), "busybox lists no applets");
    fs::create_dir_all(bin).with_context(|| format!("cannot create {}", bin.display()))?;
    copy_program(program, &bin.join("busybox"))?;
    for applet in String::from_utf8_lossy(&listed.stdout).lines() {
        let link = bin.join(applet);
        if fs::symlink_metadata(&link).is_err() {
            symlink("busybox", &link)
                .with_context(|| format!("cannot write {}", link.display()))?;
        }
    }
    Ok(())
}

/// A directory that goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(pub(crate) std::path::PathBuf);

impl Scratch {
    /// A new one, beside a file that is to be made.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn beside(file: &Path) -> Result<Self> {
        let mut dir = file.as_os_str().to_owned();
        dir.push(format!(".{}.files", std::process::id()));
        let dir = std::path::PathBuf::from(dir);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left costs disk, no more.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes an image with the files below `root`, as one layer.
///
/// # Errors
/// If tar fails, or a file cannot be written.
pub(crate) fn write(image: &Image<'_>, root: &Path, to: &Path) -> Result<()> {
    write_with(image, root, &[], to)
}

/// The same with programs that have file capabilities, which are not below `root`.
fn write_with(image: &Image<'_>, root: &Path, capable: &[Capable<'_>], to: &Path) -> Result<()> {
    let layout = Scratch::beside(&to.with_extension("layout"))?;
    let blobs = layout.0.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let layer = layout.0.join("layer");
    tar(root, &layer)?;
    capable::put_before(&layer, capable)?;
    let layer = blob(&blobs, &layer, "application/vnd.oci.image.layer.v1.tar")?;
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {"Entrypoint": image.entrypoint, "Env": [format!("PATH={}", image.path)]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config = text_blob(
        &layout.0,
        &config,
        "application/vnd.oci.image.config.v1+json",
    )?;
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer],
    });
    let mut manifest = text_blob(&layout.0, &manifest, kind)?;
    // containerd takes the image's name from this annotation.
    manifest["annotations"] = json!({"io.containerd.image.name": image.name});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(layout.0.join("index.json"), index.to_string())?;
    let version = json!({"imageLayoutVersion": "1.0.0"});
    fs::write(layout.0.join("oci-layout"), version.to_string())?;
    let fresh = to.with_extension("new");
    tar(&layout.0, &fresh)?;
    fs::rename(&fresh, to).with_context(|| format!("cannot write {}", to.display()))
}

fn text_blob(layout: &Path, value: &Value, kind: &str) -> Result<Value> {
    let file = layout.join("text");
    fs::write(&file, value.to_string())?;
    blob(&layout.join("blobs/sha256"), &file, kind)
}

/// Moves a file to where its digest says, and describes it (OCI image specification, descriptor.md).
fn blob(blobs: &Path, file: &Path, kind: &str) -> Result<Value> {
    let digest = sha256(file)?;
    let size = fs::metadata(file)?.len();
    fs::rename(file, blobs.join(&digest))?;
    Ok(json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": size}))
}

fn sha256(file: &Path) -> Result<String> {
    let mut file = File::open(file)?;
    let (mut hasher, mut part) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let length = file.read(&mut part)?;
        if length == 0 {
            let digest = hasher.finalize();
            return Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&part[..length]);
    }
}

fn tar(from: &Path, to: &Path) -> Result<()> {
    let done = Command::new("tar")
        .args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0"])
        .args(["--numeric-owner", "--format=gnu", "-cf"])
        .arg(to)
        .arg("-C")
        .arg(from)
        .arg(".")
        .output()
        .context("cannot run tar")?;
    ensure!(
        done.status.success(),
        "tar of {} failed: {}",
        from.display(),
        String::from_utf8_lossy(&done.stderr).trim()
    );
    Ok(())
}

/// The architecture, as OCI writes it (Go's GOARCH).
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_image_and_its_digests_are_right() {
        let dir = std::env::temp_dir().join(format!("xtask-images-{}", std::process::id()));
        let root = dir.join("root");
        fs::create_dir_all(root.join("bin")).expect("made");
        fs::write(root.join("bin/a"), "a program").expect("written");
        let image = Image {
            name: "example.io/a:1",
            entrypoint: &["/bin/a"],
            path: "/bin",
        };
        let (one, two) = (dir.join("one.tar"), dir.join("two.tar"));
        write(&image, &root, &one).expect("written");
        write(&image, &root, &two).expect("written");
        assert_eq!(sha256(&one).expect("read"), sha256(&two).expect("read"));
        let unpacked = dir.join("unpacked");
        fs::create_dir(&unpacked).expect("made");
        let status = Command::new("tar")
            .arg("-xf")
            .arg(&one)
            .arg("-C")
            .arg(&unpacked)
            .status();
        assert!(status.expect("it runs").success());
        let mut blobs = 0;
        for blob in fs::read_dir(unpacked.join("blobs/sha256")).expect("blobs") {
            let blob = blob.expect("a blob");
            assert_eq!(
                sha256(&blob.path()).expect("read"),
                *blob.file_name().to_string_lossy()
            );
            blobs += 1;
        }
        assert_eq!(blobs, 3);
        let index = fs::read_to_string(unpacked.join("index.json")).expect("an index");
        assert!(index.contains("example.io/a:1"), "{index}");
        fs::remove_dir_all(dir).expect("gone");
    }

    #[test]
    fn the_manifests_name_the_images_that_are_built() {
        for (file, built) in [
            ("netd.yaml", NETD),
            ("netd-uninstall.yaml", NETD),
            ("addressd.yaml", ADDRESSD),
            ("ipamd.yaml", IPAMD),
            ("vpc-route.yaml", VPC_ROUTE),
        ] {
            let path = crate::host::root().join("deploy/kubernetes").join(file);
            let text = fs::read_to_string(path).expect("the manifest");
            let images: Vec<_> = text
                .lines()
                .filter_map(|l| l.trim().strip_prefix("image: "))
                .collect();
            assert!(
                !images.is_empty() && images.iter().all(|image| *image == built),
                "{images:?}"
            );
        }
    }
}
