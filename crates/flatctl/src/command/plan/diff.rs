//! `flatctl plan diff`.

use flatnet_plan::diff::{Diff, Disruption, Phase, diff};

use crate::CliError;
use crate::error::exit;
use crate::output::{Cell, Column, Format, Output, Style, Table, counted};
use crate::source::Source;

pub(super) fn run(
    old: &Source,
    new: &Source,
    details: bool,
    exit_code: bool,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let (old, new) = (old.plans(output)?, new.plans(output)?);
    let found = diff(&old.whole, &new.whole)?;
    let whole = output.format == Format::Wide;
    output.show(&found, |d| tables(d, details, whole))?;
    Ok(if exit_code && !found.is_empty() {
        exit::FOUND
    } else {
        exit::OK
    })
}

/// `details`: a line for each thing that a change is made of; `whole`: all of them in its cell.
fn tables(found: &Diff, details: bool, whole: bool) -> Vec<Table> {
    if found.is_empty() {
        return vec![Table::new([]).title("Nothing changes.")];
    }
    let mut shown = Vec::new();
    let mut step = 0;
    let mut at = 0;
    while at < found.changes.len() {
        let phase = found.changes[at].phase;
        let count = found.changes[at..]
            .iter()
            .take_while(|c| c.phase == phase)
            .count();
        let title = if phase == Phase::Record {
            "For the record: nothing is to be done".to_owned()
        } else {
            step += 1;
            format!("{step}. {}", capitalized(phase.title()))
        };
        let mut table = Table::new([
            Column::text("WHAT"),
            Column::number("COUNT"),
            Column::text("DISRUPTS"),
            Column::text("WHICH").wrapped(),
            Column::text("MIND").wrapped(),
        ])
        .title(title);
        for change in &found.changes[at..at + count] {
            let many = if change.hosts.is_empty() {
                change.details.len()
            } else {
                change.hosts.len()
            };
            let which = if change.hosts.is_empty() || many == 1 {
                few(&change.details, whole)
            } else {
                spans(&change.hosts)
            };
            table.row([
                change.what.as_str().into(),
                many.into(),
                disruption(change.disrupts),
                which.into(),
                change.why.into(),
            ]);
            if details && change.details.len() > 1 {
                for detail in &change.details {
                    table.row([Cell::styled(format!("  {detail}"), Style::Dim)]);
                }
            }
        }
        shown.push(table);
        at += count;
    }
    if let Some(last) = shown.last_mut() {
        last.note(String::new());
        last.note(format!(
            "{} in {}; containers notice: {}",
            counted(found.changes.len(), "change"),
            counted(step, "step"),
            worst(found.disruption())
        ));
    }
    shown
}

/// The first few of many; `--details` and `-o wide` show them all.
fn few(details: &[String], whole: bool) -> String {
    const SHOWN: usize = 3;
    match details.len() {
        n if !whole && n > SHOWN + 1 => {
            format!("{}; and {} more", details[..SHOWN].join("; "), n - SHOWN)
        }
        _ => details.join("; "),
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn disruption(d: Disruption) -> Cell {
    let style = match d {
        Disruption::None => Style::Good,
        Disruption::Brief | Disruption::Recreate => Style::Warn,
        Disruption::Outage => Style::Bad,
    };
    Cell::styled(d.as_str(), style)
}

fn worst(d: Disruption) -> &'static str {
    match d {
        Disruption::None => "nothing",
        Disruption::Brief => "packets may be lost for seconds",
        Disruption::Recreate => "some have to be made again",
        Disruption::Outage => "some are cut off: drain them first",
    }
}

/// Names that differ by a number that counts up, as `first…last`.
fn spans(names: &[String]) -> String {
    let mut parts: Vec<(String, String, Option<u64>)> = Vec::new();
    for name in names {
        let number = number_of(name);
        if let Some(last) = parts.last_mut()
            && let (Some(a), Some(b)) = (last.2, number)
            && a + 1 == b
            && stem_of(&last.1) == stem_of(name)
        {
            last.1.clone_from(name);
            last.2 = number;
            continue;
        }
        parts.push((name.clone(), name.clone(), number));
    }
    let text: Vec<String> = parts
        .into_iter()
        .map(|(first, last, _)| {
            if first == last {
                first
            } else {
                format!("{first}…{last}")
            }
        })
        .collect();
    text.join(" ")
}

fn stem_of(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

fn number_of(name: &str) -> Option<u64> {
    name[stem_of(name).len()..].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_things_a_few_are_shown_and_the_rest_is_counted() {
        let of = |n: u32| few(&(1..=n).map(|i| i.to_string()).collect::<Vec<_>>(), false);
        assert_eq!(of(4), "1; 2; 3; 4");
        assert_eq!(of(5), "1; 2; 3; and 2 more");
        let all: Vec<String> = (1..=5).map(|i| i.to_string()).collect();
        assert_eq!(few(&all, true), "1; 2; 3; 4; 5");
    }

    #[test]
    fn names_that_count_up_are_one_span() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            spans(&names)
        };
        assert_eq!(of(&["a-001", "a-002", "a-003"]), "a-001…a-003");
        assert_eq!(of(&["a1", "a3", "b4", "x"]), "a1 a3 b4 x");
        assert_eq!(of(&["a9", "a10"]), "a9…a10");
    }
}
