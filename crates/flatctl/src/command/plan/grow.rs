//! `flatctl plan grow`.

use std::path::PathBuf;

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
    /// A file.
    File(PathBuf),
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
    match target {
        Target::Print => output.text(&grown.text)?,
        Target::File(path) => {
            replace(path, &grown.text)?;
            output.show(&grown, |g| vec![table(g)])?;
            output.note(&format!("wrote {}", path.display()));
        }
    }
    output.note(&format!(
        "{} new; {} before, each as it was",
        counted(grown.hosts.len(), "host"),
        counted(grown.kept, "host")
    ));
    Ok(exit::OK)
}

/// Writes beside the file and renames: a plan is never half there.
fn replace(path: &PathBuf, text: &str) -> Result<(), CliError> {
    let failed = |source| CliError::Write {
        path: path.clone(),
        source,
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    std::fs::write(&fresh, text).map_err(failed)?;
    if let Ok(of) = std::fs::metadata(path) {
        std::fs::set_permissions(&fresh, of.permissions()).map_err(failed)?;
    }
    std::fs::rename(&fresh, path).map_err(failed)
}

fn refused(source: &Source, e: GrowError) -> CliError {
    match e {
        GrowError::Unreadable(report) => CliError::NotAPlan {
            path: source.path.clone(),
            report,
        },
        GrowError::Unknown { kind, name, known } => CliError::Unknown { kind, name, known },
        other => CliError::Grow {
            path: source.path.clone(),
            source: other,
        },
    }
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
