//! `flatctl plan draw`.

use std::path::Path;

use crate::CliError;
use crate::error::exit;
use crate::output::Output;
use crate::source::Source;

pub(super) fn run(
    source: &Source,
    file: Option<&Path>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let picture = flatnet_plan::draw::draw(&source.plans(output)?.whole);
    match file {
        None => output.text(&picture)?,
        Some(path) => {
            std::fs::write(path, picture).map_err(|source| CliError::Write {
                path: path.to_owned(),
                source,
            })?;
            output.note(&format!("wrote {}", path.display()));
        }
    }
    Ok(exit::OK)
}
