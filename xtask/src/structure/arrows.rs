//! The table of ARCHITECTURE.md that says which crate uses which, held against what cargo says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::workspace::{When, Workspace};

/// The first line of the table; it ends with the first line that is no row.
const HEAD: &str = "| crate | uses |";

/// A row: the crate, and each that it uses, with whether that is only with a feature.
type Row = (String, BTreeMap<String, bool>);

/// What the document says otherwise than cargo, in one paragraph for each crate.
pub(super) fn differences(workspace: &Workspace, document: &str) -> Vec<String> {
    let told = rows(document);
    if told.is_empty() {
        return vec![format!(
            "ARCHITECTURE.md has no table that begins with {HEAD}"
        )];
    }
    let meant: BTreeMap<String, BTreeMap<String, bool>> = used(workspace);
    let mut wrong = Vec::new();
    for (name, uses) in &meant {
        let row = shown(name, uses);
        match told.iter().find(|(told, _)| told == name) {
            None => wrong.push(format!(
                "ARCHITECTURE.md has no row for {name}; it is\n  {row}"
            )),
            Some((_, told)) if told != uses => {
                wrong.push(format!(
                    "ARCHITECTURE.md is wrong about {name}; the row is\n  {row}"
                ));
            }
            Some(_) => {}
        }
    }
    for (place, (name, uses)) in told.iter().enumerate() {
        if !meant.contains_key(name) {
            wrong.push(format!(
                "ARCHITECTURE.md has a row for {name}, and there is no such crate"
            ));
        }
        for (above, _) in told.iter().take(place + 1) {
            if uses.contains_key(above) {
                wrong.push(format!(
                    "ARCHITECTURE.md: arrows point down only, and {name} uses {above}, which is \
                     not below it: move the row, or do without"
                ));
            }
        }
    }
    wrong
}

/// What each member uses when it is no test, by their names in the document.
fn used(workspace: &Workspace) -> BTreeMap<String, BTreeMap<String, bool>> {
    let called = |package: &str| {
        let dir = &workspace.members.get(package)?.dir;
        let short = dir.strip_prefix("crates").unwrap_or(dir);
        Some(short.to_string_lossy().into_owned())
    };
    let rows = workspace.members.iter().filter_map(|(package, member)| {
        let uses = member.uses.iter().filter(|u| u.when != When::Tests);
        let uses = uses.filter_map(|u| Some((called(&u.name)?, u.when == When::Feature)));
        Some((called(package)?, uses.collect()))
    });
    rows.collect()
}

fn rows(document: &str) -> Vec<Row> {
    let lines = document.lines().skip_while(|line| line.trim() != HEAD);
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.filter_map(row).collect()
}

/// Names are in backquotes; one behind a bracket is used with a feature.
fn row(line: &str) -> Option<Row> {
    let mut cells = line.trim_matches('|').split('|');
    let name = cells.next()?.trim().trim_matches('`').to_owned();
    let parts: Vec<&str> = cells.next()?.split('`').collect();
    let uses = parts.chunks_exact(2).map(|pair| {
        let [before, name] = pair else {
            unreachable!("chunks of two")
        };
        ((*name).to_owned(), before.ends_with('('))
    });
    Some((name, uses.collect()))
}

fn shown(name: &str, uses: &BTreeMap<String, bool>) -> String {
    let mut row = format!("| `{name}` |");
    for (place, (used, feature)) in uses.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let _ = match feature {
            true => write!(row, "{comma} (`{used}`)"),
            false => write!(row, "{comma} `{used}`"),
        };
    }
    row.push_str(" |");
    row
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::workspace::{Member, Use};

    fn workspace(uses: &[(&str, &str, When)]) -> Workspace {
        let mut workspace = Workspace::default();
        for dir in ["crates/low", "high"] {
            let member = Member {
                dir: PathBuf::from(dir),
                ..Member::default()
            };
            let name = dir.rsplit('/').next().expect("a name");
            workspace.members.insert(format!("our-{name}"), member);
        }
        for &(from, to, when) in uses {
            let member = workspace.members.get_mut(from).expect("a member");
            member.uses.push(Use {
                name: to.to_owned(),
                when,
            });
        }
        workspace
    }

    fn table(rows: &str) -> String {
        format!("Text.\n\n{HEAD}\n|---|---|\n{rows}\nMore.\n| `other` | `table` |\n")
    }

    #[test]
    fn a_table_that_is_true_is_left_alone() {
        let with = workspace(&[("our-high", "our-low", When::Feature)]);
        let true_one = table("| `high` | (`low`) |\n| `low` | |\n");
        assert_eq!(differences(&with, &true_one), [""; 0]);
        // Tests may use what they like.
        let tests = workspace(&[("our-high", "our-low", When::Tests)]);
        let none = table("| `high` | |\n| `low` | |\n");
        assert_eq!(differences(&tests, &none), [""; 0]);
    }

    #[test]
    fn a_row_that_is_wrong_or_missing_or_too_much_is_told_with_the_right_one() {
        let with = workspace(&[("our-high", "our-low", When::Always)]);
        let wrong = differences(&with, &table("| `high` | |\n| `gone` | |\n"));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[0].contains("| `high` | `low` |"), "{wrong:?}");
        assert!(wrong[1].contains("no row for low"), "{wrong:?}");
        assert!(wrong[2].contains("gone"), "{wrong:?}");
        assert_eq!(differences(&with, "Text.\n").len(), 1);
    }

    #[test]
    fn an_arrow_that_points_up_is_told() {
        let with = workspace(&[("our-high", "our-low", When::Always)]);
        let wrong = differences(&with, &table("| `low` | |\n| `high` | `low` |\n"));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].contains("down only"), "{wrong:?}");
    }
}
