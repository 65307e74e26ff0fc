//! `cargo xtask structure`: how modules and crates may import each other.
//!
//! ```text
//!   cargo metadata ─▶ crates ──────────────▶ the table of ARCHITECTURE.md      arrows
//!        └─▶ root files ─▶ modules ─▶ imports among siblings ─▶ none on a cycle  source, names, resolve, cycles
//! ```
//!
//! Nothing is built: the sources are parsed. Modules of one parent must not import each other in a
//! circle, of any length; what is below a module counts as it. That a parent imports its children, and
//! they what it defines, is fine. Tests are left out.

mod arrows;
mod cycles;
mod names;
mod resolve;
mod source;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::source::Tree;
use crate::workspace::Workspace;
use crate::{host, report};

/// The document whose table of crates has to be true.
const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// Checks both, and says what is wrong.
///
/// # Errors
/// If the workspace cannot be read.
pub(crate) fn command() -> Result<ExitCode> {
    let wrong = wrong(host::root())?;
    for paragraph in &wrong {
        report::line(&format!("error: {paragraph}\n"));
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn wrong(root: &Path) -> Result<Vec<String>> {
    let workspace = Workspace::read(root)?;
    let mut imports = cycles::Imports::new();
    for target in workspace.programs_and_libraries() {
        let tree = Tree::load(&target.name, root, &target.root)?;
        imports.extend(cycles::imports(&tree));
    }
    let document = fs::read_to_string(root.join(ARCHITECTURE))
        .with_context(|| format!("cannot read {ARCHITECTURE}"))?;
    let mut wrong = cycles::told(&imports);
    wrong.extend(arrows::differences(&workspace, &document));
    Ok(wrong)
}
