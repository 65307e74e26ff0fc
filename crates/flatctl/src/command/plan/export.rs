//! `flatctl plan export`.

use std::path::Path;

use super::cluster;
use crate::CliError;
use crate::args::ClusterArgs;
use crate::error::exit;
use crate::output::Output;

pub(super) fn run(
    args: &ClusterArgs,
    file: Option<&Path>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let source = cluster::source(args)?;
    let Some(path) = file else {
        output.text(&source.text)?;
        return Ok(exit::OK);
    };
    flatnet_files::replace(path, source.text.as_bytes()).map_err(|source| CliError::Write {
        path: path.to_owned(),
        source,
    })?;
    output.note(&format!("the cluster's plan is in {}", path.display()));
    Ok(exit::OK)
}
