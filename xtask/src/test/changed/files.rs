//! What a file is part of.

use std::path::Path;

use crate::workspace::Workspace;

/// What a change of a file may touch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A crate, and whoever uses it.
    Source {
        package: String,
        /// Its directory.
        dir: String,
    },
    /// The tests of one package.
    Test { package: String },
    /// The tests that read documents.
    Document,
    /// One suite, and whoever borrows it.
    Suite(&'static str),
    /// Nothing that is run; why.
    Nothing(&'static str),
    /// Nobody knows.
    Everything,
}

/// Directories of a crate whose files are no part of what others use of it.
const ONLY_TESTS: &[&str] = &["tests", "benches", "examples"];
/// The lab and its simulator: all that is below is of the suites.
const LAB: &str = "tests/";
/// The web console, of which cargo knows nothing: its suite builds, checks and plays it.
const CONSOLE: &str = "platform/console/";

pub(super) fn part(file: &str, workspace: &Workspace) -> Part {
    let members = workspace.members.iter();
    let within = members.filter(|(_, member)| Path::new(file).starts_with(&member.dir));
    let deepest = within.max_by_key(|(_, member)| member.dir.components().count());
    let Some((package, member)) = deepest else {
        return outside(file);
    };
    let inside = Path::new(file).strip_prefix(&member.dir);
    let inside = inside.unwrap_or(Path::new(file));
    if !file.starts_with(LAB) && is_test(inside) {
        return Part::Test {
            package: package.clone(),
        };
    }
    Part::Source {
        package: package.clone(),
        dir: member.dir.to_string_lossy().into_owned(),
    }
}

/// `tests/…` beside `src/`; `foo/tests.rs` and `foo/tests/…` within.
fn is_test(inside: &Path) -> bool {
    let mut names = inside.iter().map(|n| n.to_string_lossy().into_owned());
    let first = names.next().unwrap_or_default();
    let more = || {
        names
            .clone()
            .any(|name| name == "tests" || name == "tests.rs")
    };
    ONLY_TESTS.contains(&first.as_str()) || first == "src" && more()
}

/// Of no member of the workspace.
fn outside(file: &str) -> Part {
    let first = file.split('/').next().unwrap_or_default();
    let is_markdown = Path::new(file).extension().is_some_and(|e| e == "md");
    match first {
        _ if file.starts_with(CONSOLE) => Part::Suite("console"),
        "docs" => Part::Document,
        _ if first == file && is_markdown => Part::Document,
        "fuzz" => Part::Nothing("no step runs the fuzz targets, they want a nightly compiler"),
        "LICENSE" | ".gitignore" => Part::Nothing("no test reads it"),
        _ => Part::Everything,
    }
}
