//! `flatctl plan grow`.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flatnet_plan::grow::{GrowError, Grown, NewVlan, add_hosts, add_vlan};

use crate::CliError;
use crate::args::Growth;
use crate::error::exit;
use crate::output::{Column, Output, Table, counted};
use crate::source::Source;

/// Where the grown plan goes.
pub(super) enum Target {
    /// Standard output.
    Print,
    /// Standard output, what changes only.
    Difference,
    /// A file.
    File(PathBuf),
    /// The plan's own file.
    InPlace,
}

pub(super) fn run(
    source: &Source,
    what: Growth,
    target: &Target,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let grown = match what {
        Growth::Hosts { group, count } => add_hosts(&source.text, &group, count),
        Growth::Vlan {
            name,
            site,
            id,
            prefix,
            gateway,
            role,
        } => {
            let mut routers = gateway.into_iter();
            let vlan = NewVlan {
                site,
                id,
                name,
                role: role.into(),
                subnets: prefix.into_iter().map(|p| (p, routers.next())).collect(),
            };
            add_vlan(&source.text, &vlan)
        }
    };
    let grown = grown.map_err(|e| refused(source, e))?;
    let written = match target {
        Target::Print => {
            output.text(&grown.text)?;
            None
        }
        Target::Difference => {
            output.text(&difference(source, &grown))?;
            None
        }
        Target::File(path) => Some(path),
        Target::InPlace => {
            // What somebody else wrote since then would be lost.
            if Source::read(&source.path)?.text != source.text {
                return Err(CliError::Changed {
                    path: source.path.clone(),
                });
            }
            Some(&source.path)
        }
    };
    if let Some(path) = written {
        replace(path, &grown.text).map_err(|source| CliError::Write {
            path: path.clone(),
            source,
        })?;
        output.show(&grown, |g| vec![table(g)])?;
        output.note(&format!("wrote {}", path.display()));
    }
    output.note(&format!(
        "{} new; {} before, each as it was",
        counted(grown.hosts.len(), "host"),
        counted(grown.kept, "host")
    ));
    if grown.warnings > 0 {
        let path = written.map_or_else(String::new, |p| format!(" {}", p.display()));
        output.warning(&format!(
            "the new plan has {} that the old had not: run `flatctl plan check{path}`",
            counted(grown.warnings, "warning"),
        ));
    }
    Ok(exit::OK)
}

/// What changes, as `diff -u` tells it and `patch` reads it.
fn difference(source: &Source, grown: &Grown) -> String {
    let name = source.path.display().to_string();
    similar::TextDiff::from_lines(&source.text, &grown.text)
        .unified_diff()
        .header(&name, &name)
        .to_string()
}

/// Writes beside the file and renames: a plan is never half there, whoever reads or however
/// the machine stops. A link stays one, and the file keeps its permissions.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let (file, mode) = match path.canonicalize() {
        Ok(file) => {
            let mode = file.metadata()?.permissions();
            (file, mode)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            (path.to_owned(), std::fs::Permissions::from_mode(0o666))
        }
        Err(e) => return Err(e),
    };
    let beside = match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut fresh = tempfile::Builder::new()
        .prefix(".flatctl-")
        .permissions(mode.clone())
        .tempfile_in(beside)?;
    fresh.write_all(text.as_bytes())?;
    if file.exists() {
        // At its making the umask took from them.
        fresh.as_file().set_permissions(mode)?;
    }
    fresh.as_file().sync_all()?;
    fresh.persist(&file)?;
    Ok(())
}

fn refused(source: &Source, e: GrowError) -> CliError {
    let named = |mut report: Box<flatnet_plan::Report>| {
        report.file = source.path.display().to_string();
        report
    };
    let path = source.path.clone();
    let source = match e {
        GrowError::Unreadable(report) => {
            let report = named(report);
            return CliError::NotAPlan { path, report };
        }
        GrowError::Unknown { kind, name, known } => {
            return CliError::Unknown { kind, name, known };
        }
        GrowError::Broken(report) => GrowError::Broken(named(report)),
        GrowError::WouldBreak(report) => GrowError::WouldBreak(named(report)),
        other => other,
    };
    CliError::Grow { path, source }
}

fn table(grown: &Grown) -> Table {
    let mut table = Table::new([
        Column::text("NEW HOST"),
        Column::text("ADDRESSES"),
        Column::text("RANGES").flexible(),
    ])
    .or_empty("no new hosts");
    for h in &grown.hosts {
        let addresses: Vec<String> = h.addresses.iter().map(ToString::to_string).collect();
        let ranges: Vec<String> = h.ranges.iter().map(|(n, p)| format!("{n} {p}")).collect();
        table.row([
            h.name.to_string().into(),
            addresses.join(" ").into(),
            ranges.join(", ").into(),
        ]);
    }
    table
}
