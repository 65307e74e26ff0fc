//! `flatctl plan apply`.

use flatnet_k8s_api::{Object, name, split};
use flatnet_k8s_client::{Changes, Cluster, ClusterError, Listed, Write, changes};
use flatnet_plan::diff::{Diff, diff};
use flatnet_plan::{NetworkPlan, Style as Rendered};
use serde::Serialize;

use super::{cluster, diff as steps};
use crate::CliError;
use crate::args::ClusterArgs;
use crate::error::exit;
use crate::output::{Format, Output, Table, counted};
use crate::source::Source;

/// What was written, and what follows from it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Applied {
    dry_run: bool,
    /// The steps, as `flatctl plan diff` has them; none where the cluster had no valid plan.
    diff: Option<Diff>,
    created: Vec<String>,
    changed: Vec<String>,
    deleted: Vec<String>,
    /// Objects of somebody else's, which are not in the plan's file.
    foreign: Vec<String>,
    unchanged: usize,
}

pub(super) fn run(
    source: &Source,
    args: &ClusterArgs,
    write: Write,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let mut report = source.report();
    if report.errors() > 0 {
        let color = output.colour;
        output.text(&report.render(Rendered::Text { color }))?;
        output.note("nothing is applied");
        return Ok(exit::FOUND);
    }
    let Some(document) = report.take_document() else {
        return Err(CliError::NotAPlan {
            path: source.path.clone(),
            report: Box::new(report),
        });
    };
    let new = document.expanded.plan;
    let objects = split(new.clone()).map_err(|error| CliError::NoObjects {
        path: source.path.clone(),
        source: error,
    })?;
    let listed = cluster::list(args)?;
    let found = changes(&name::label(&new.metadata.name), &objects, &listed);
    let applied = Applied {
        dry_run: write.dry_run,
        diff: difference(&listed, &new, output)?,
        created: names(&found.create),
        changed: names(&found.update),
        deleted: found.delete.iter().map(|l| l.object.reference()).collect(),
        foreign: names(&found.foreign),
        unchanged: found.same,
    };
    let whole = output.format == Format::Wide;
    output.show(&applied, |a| tables(a, whole))?;
    let written = cluster::wait(write_all(args, &found, write));
    tell(&applied, written, output)
}

fn names(objects: &[Object]) -> Vec<String> {
    objects.iter().map(Object::reference).collect()
}

/// The steps from the cluster's plan to the new one.
fn difference(
    listed: &[Listed],
    new: &NetworkPlan,
    output: &mut Output<'_>,
) -> Result<Option<Diff>, CliError> {
    if listed.is_empty() {
        return Ok(None);
    }
    let old = match cluster::of(cluster::joined(listed)).and_then(|s| s.plans(output)) {
        Ok(old) => old,
        Err(error) => {
            output.warning(&format!("{error}; the steps from there are not known"));
            return Ok(None);
        }
    };
    let new = flatnet_k8s_api::plan::resolved(new.clone());
    Ok(Some(diff(&old.whole, &new)?))
}

fn tables(applied: &Applied, whole: bool) -> Vec<Table> {
    match &applied.diff {
        Some(diff) => steps::tables(diff, false, whole),
        None => vec![Table::new([]).title("The cluster has no plan yet.")],
    }
}

/// Writes all that is to be written. What was written stays where something fails: a second run goes on.
async fn write_all(
    args: &ClusterArgs,
    found: &Changes,
    write: Write,
) -> Result<Vec<ClusterError>, ClusterError> {
    let cluster = Cluster::open(args.kubeconfig.as_deref()).await?;
    let mut refused = Vec::new();
    for object in found.create.iter().chain(&found.update) {
        match cluster.apply(object, write).await {
            Ok(()) => {}
            Err(error @ ClusterError::Unreachable { .. }) => return Err(error),
            Err(error) => refused.push(error),
        }
    }
    // A plan that is there in part must not lose what the rest stands on.
    if !refused.is_empty() {
        return Ok(refused);
    }
    for listed in &found.delete {
        cluster.delete(listed, write).await?;
    }
    Ok(refused)
}

fn tell(
    applied: &Applied,
    written: Result<Vec<ClusterError>, CliError>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let mut refused = written?;
    // The last one is told by who called.
    if let Some(last) = refused.pop() {
        for error in refused {
            output.error(&error.into());
        }
        return Err(last.into());
    }
    let done = match applied.dry_run {
        true => "would be",
        false => "are",
    };
    output.note(&format!(
        "{} {done} created, {} changed, {} deleted; {} as before",
        counted(applied.created.len(), "object"),
        applied.changed.len(),
        applied.deleted.len(),
        applied.unchanged
    ));
    if !applied.foreign.is_empty() {
        output.warning(&format!(
            "{} in the cluster that this plan's file does not have: {}",
            counted(applied.foreign.len(), "object"),
            applied.foreign.join(", ")
        ));
    }
    Ok(exit::OK)
}
