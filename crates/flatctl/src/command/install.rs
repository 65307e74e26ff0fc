//! `flatctl install preflight`: what a host without Kubernetes lacks.
//!
//! ```text
//!   files: programs, units, the runtime's configuration ──┐
//!                                                         ├─▶ [Finding] ─▶ table, exit code
//!   `netd preflight --json`: what netd itself needs ──────┘
//! ```
//!
//! netd knows best what it needs, and the program that will run is asked, not this one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::CliError;
use crate::args::PreflightArgs;
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table, counted};

/// One thing that is needed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Finding {
    /// What was looked at.
    what: String,
    /// What is wrong, and what to do about it; none: it is there.
    lacks: Option<String>,
}

impl Finding {
    fn new(what: impl Into<String>, lacks: Option<String>) -> Self {
        Self {
            what: what.into(),
            lacks,
        }
    }
}

pub(super) fn preflight(args: &PreflightArgs, output: &mut Output<'_>) -> Result<u8, CliError> {
    let mut findings = vec![
        program("netd", &args.netd_program, "cargo xtask build"),
        program(
            "the CNI plugin",
            &args.cni_bin_dir.join("flatnet"),
            "cargo xtask build",
        ),
        unit(&args.units),
        configuration(&args.cni_conf_dir),
    ];
    if findings[0].lacks.is_none() {
        findings.extend(of_netd(args)?);
    }
    output.show(&findings, |findings| vec![table(findings)])?;
    let lacks = findings.iter().any(|finding| finding.lacks.is_some());
    Ok(if lacks { exit::FOUND } else { exit::OK })
}

/// What netd says that it needs.
fn of_netd(args: &PreflightArgs) -> Result<Vec<Finding>, CliError> {
    let mut command = Command::new(&args.netd_program);
    command.args(["preflight", "--json", "--datapath", args.datapath.as_str()]);
    command.arg("--plan").arg(&args.plan);
    command.arg("--cni-bin-dir").arg(&args.cni_bin_dir);
    command.arg("--cni-conf-dir").arg(&args.cni_conf_dir);
    if let Some(node) = &args.node {
        command.arg("--node").arg(node.to_string());
    }
    let program = args.netd_program.clone();
    let ended = command.output().map_err(|source| CliError::Run {
        program: program.clone(),
        source,
    })?;
    // Its status is 1 where something lacks, too.
    serde_json::from_slice(&ended.stdout).map_err(|_| CliError::Preflight {
        program,
        said: String::from_utf8_lossy(&ended.stderr).trim().to_owned(),
    })
}

/// Whether a program is there, and may be run.
fn program(what: &str, path: &Path, made_by: &str) -> Finding {
    let lacks = match fs::metadata(path) {
        Err(e) => Some(format!(
            "{e}: copy it there, executable (`{made_by}` makes it)"
        )),
        Ok(file) if !file.is_file() || file.permissions().mode() & 0o111 == 0 => Some(format!(
            "it is no program that can be run: `chmod 755 {}`, or copy it anew",
            path.display()
        )),
        Ok(_) => None,
    };
    Finding::new(format!("{what}, {}", path.display()), lacks)
}

/// Whether systemd knows netd.
fn unit(dirs: &[std::path::PathBuf]) -> Finding {
    let there = dirs.iter().any(|dir| dir.join("netd.service").is_file());
    let lacks = (!there).then(|| {
        "it is in none of its directories: copy deploy/systemd/netd.service to /etc/systemd/system, then \
         `systemctl enable --now netd`"
            .to_owned()
    });
    Finding::new("systemd's unit netd.service", lacks)
}

/// Whether the configuration that the runtime takes, the first by name, is Flatnet's.
fn configuration(dir: &Path) -> Finding {
    let what = format!("the runtime's CNI configuration in {}", dir.display());
    let mut files: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let extension = path.extension().and_then(|e| e.to_str());
            matches!(extension, Some("conf" | "conflist" | "json"))
        })
        .collect();
    files.sort();
    let Some(first) = files.first() else {
        return Finding::new(
            what,
            Some(
                "there is none: when netd is ready (`flatctl node status`), copy \
                 deploy/cni/10-flatnet.conflist there with the name of your network, or run `netd cni install`"
                    .to_owned(),
            ),
        );
    };
    let read = fs::read_to_string(first).ok();
    let parsed: Option<serde_json::Value> = read.and_then(|text| serde_json::from_str(&text).ok());
    let ours = parsed.is_some_and(|conf| {
        let plugins = conf["plugins"].as_array().cloned().unwrap_or_default();
        plugins.iter().any(|plugin| plugin["type"] == "flatnet") || conf["type"] == "flatnet"
    });
    let lacks = (!ours).then(|| {
        format!(
            "a runtime takes the first by name, which is {} and does not name the plugin flatnet: move it away \
             when its containers are gone",
            first.display()
        )
    });
    Finding::new(what, lacks)
}

fn table(findings: &[Finding]) -> Table {
    let mut table = Table::new([
        Column::text(""),
        Column::text("WHAT").wrapped(),
        Column::text("WHAT TO DO").wrapped(),
    ]);
    for finding in findings {
        let (word, style) = match finding.lacks {
            None => ("ok", Style::Good),
            Some(_) => ("lacks", Style::Bad),
        };
        table.row([
            Cell::styled(word, style),
            finding.what.clone().into(),
            finding.lacks.clone().unwrap_or_default().into(),
        ]);
    }
    let lacking = findings.iter().filter(|f| f.lacks.is_some()).count();
    table.note(match lacking {
        0 => "Nothing lacks.".to_owned(),
        n => format!("This host lacks {}.", counted(n, "thing")),
    });
    table
}
