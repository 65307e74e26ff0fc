//! What a Kubernetes cluster's objects are, and `flatctl plan check --from-cluster`.

use std::future::Future;
use std::path::PathBuf;

use flatnet_k8s_api::status::DiagnosticStatus;
use flatnet_k8s_api::{Joined, Object, join};
use flatnet_k8s_client::{Cluster, ClusterError, Listed};
use flatnet_plan::{NetworkPlan, diagnose};
use serde::Serialize;

use crate::CliError;
use crate::args::ClusterArgs;
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table, counted};
use crate::source::Source;

/// What the document of a cluster is called.
const NAME: &str = "the cluster's objects";

/// Waits for answers of an API server.
///
/// # Errors
/// The system's, where it gives no runtime; the answers'.
pub(super) fn wait<T>(asked: impl Future<Output = Result<T, ClusterError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    Ok(runtime.block_on(asked)?)
}

/// Every object of the plan.
pub(super) fn list(args: &ClusterArgs) -> Result<Vec<Listed>, CliError> {
    wait(async {
        Cluster::open(args.kubeconfig.as_deref())
            .await?
            .list()
            .await
    })
}

/// The document that listed objects are.
pub(super) fn joined(listed: &[Listed]) -> Joined {
    let objects: Vec<Object> = listed.iter().map(|l| l.object.clone()).collect();
    join(&objects)
}

/// The cluster's plan, which may have errors, but not objects that have no place in it.
///
/// # Errors
/// [`CliError::NoPlanInCluster`], and those of the API server.
pub(super) fn source(args: &ClusterArgs) -> Result<Source, CliError> {
    of(joined(&list(args)?))
}

pub(super) fn of(joined: Joined) -> Result<Source, CliError> {
    match joined.misplaced.first() {
        None => Ok(Source {
            path: PathBuf::from(NAME),
            text: joined.text,
        }),
        Some(first) => Err(CliError::NoPlanInCluster {
            first: format!("{}: {}", first.object, first.message),
        }),
    }
}

/// The plan that the cluster has, and the one of a file as the cluster would have it.
///
/// # Errors
/// Those of [`source`], and of the file.
pub(super) fn both(
    args: &ClusterArgs,
    file: &Source,
    output: &mut Output<'_>,
) -> Result<(NetworkPlan, NetworkPlan), CliError> {
    let new = file.plans(output)?.whole;
    let old = source(args)?.plans(output)?.whole;
    Ok((old, flatnet_k8s_api::plan::resolved(new)))
}

/// What is wrong with the objects.
#[derive(Debug, Serialize)]
struct Checked {
    objects: usize,
    errors: usize,
    diagnostics: Vec<DiagnosticStatus>,
}

pub(super) fn check(args: &ClusterArgs, output: &mut Output<'_>) -> Result<u8, CliError> {
    let listed = list(args)?;
    let joined = joined(&listed);
    let blamed = joined.blame(&diagnose(&joined.text, NAME));
    let checked = Checked {
        objects: listed.len(),
        errors: blamed.errors(),
        diagnostics: blamed.0,
    };
    output.show(&checked, tables)?;
    if checked.diagnostics.is_empty() {
        let objects = counted(checked.objects, "object");
        output.note(&format!("nothing is wrong with {objects}"));
    }
    Ok(match checked.errors {
        0 => exit::OK,
        _ => exit::FOUND,
    })
}

/// A table for each: what is wrong, of which object and field, what to do.
fn tables(checked: &Checked) -> Vec<Table> {
    let one = |d: &DiagnosticStatus| {
        let columns = [Column::text(""), Column::text("").wrapped()];
        let title = format!("{}[{}]: {}", d.severity, d.code, d.object);
        let mut table = Table::new(columns).title(title).without_heads();
        let style = match d.severity.as_str() {
            "error" => Style::Bad,
            _ => Style::Warn,
        };
        table.row(["field".into(), Cell::styled(&d.field, Style::Bold)]);
        table.row(["what".into(), Cell::styled(&d.message, style)]);
        table.row(["help".into(), d.hint.as_str().into()]);
        table
    };
    checked.diagnostics.iter().map(one).collect()
}
