//! `flatctl plan diff`.

use flatnet_plan::NetworkPlan;
use flatnet_plan::diff::{Change, Diff, Disruption, Notices, Phase, diff};

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
    let (old, new) = (old.plans(output)?.whole, new.plans(output)?.whole);
    compared((&old, &new), details, exit_code, output)
}

/// Shows what changes from one plan to another, groups written out.
pub(super) fn compared(
    (old, new): (&NetworkPlan, &NetworkPlan),
    details: bool,
    exit_code: bool,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let found = diff(old, new)?;
    let whole = output.format == Format::Wide;
    output.show(&found, |d| tables(d, details, whole))?;
    Ok(if exit_code && !found.is_empty() {
        exit::FOUND
    } else {
        exit::OK
    })
}

/// `details`: a line for each thing that a change is made of; `whole`: all of them in its cell.
pub(super) fn tables(found: &Diff, details: bool, whole: bool) -> Vec<Table> {
    if found.is_empty() {
        return vec![Table::new([]).title("Nothing changes.")];
    }
    let mut shown = Vec::new();
    let mut step = 0;
    for changes in found.changes.chunk_by(|a, b| a.phase == b.phase) {
        let phase = changes[0].phase;
        let title = if phase == Phase::Record {
            "For the record: nothing is to be done".to_owned()
        } else {
            step += 1;
            format!("{step}. {}", capitalized(phase.title()))
        };
        let columns = [Column::text(""), Column::text("").wrapped()];
        let mut table = Table::new(columns).title(title).without_heads();
        for (at, change) in changes.iter().enumerate() {
            if at > 0 {
                table.row(Vec::new());
            }
            describe(change, details, whole, &mut table);
        }
        shown.push(table);
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

/// What it is, which, who notices it for how long, what to mind, and how to see that it is done.
fn describe(change: &Change, details: bool, whole: bool, table: &mut Table) {
    let many = match change.hosts.len() {
        0 => change.details.len(),
        hosts => hosts,
    };
    let what = match many {
        1 => change.what.clone(),
        n => format!("{} ({n})", change.what),
    };
    table.row(["what".into(), Cell::styled(what, Style::Bold)]);
    let which = if change.hosts.is_empty() || many == 1 {
        few(&change.details, whole)
    } else {
        spans(&change.hosts)
    };
    table.row(["which".into(), which.into()]);
    if details && change.details.len() > 1 {
        for detail in &change.details {
            table.row(["".into(), Cell::styled(detail, Style::Dim)]);
        }
    }
    if change.phase != Phase::Record {
        let style = disruption(change.disrupts);
        let whom = noticed(&change.notices);
        table.row(["noticed by".into(), Cell::styled(whom, style)]);
    }
    if change.disrupts != Disruption::None {
        let lasts = format!("{}, {}", change.lasts.until.as_str(), change.lasts.reason);
        table.row(["for".into(), lasts.into()]);
    }
    if let Some(verdict) = change.netd {
        table.row(["netd".into(), verdict.sentence().into()]);
    }
    if !change.mind.is_empty() {
        table.row(["mind".into(), change.mind.into()]);
    }
    if let Some(check) = change.check {
        table.row([
            "done when".into(),
            format!("{} shows {}", check.run, check.shows).into(),
        ]);
        table.row(["run it on".into(), check.on.into()]);
        if whole && !check.metric.is_empty() {
            let metric = format!("{} is 0, or not there", check.metric);
            table.row(["metric".into(), metric.into()]);
        }
    }
}

/// Those who notice something, in words: hosts that count up as one.
fn noticed(notices: &[Notices]) -> String {
    let hosts: Vec<String> = notices
        .iter()
        .filter_map(|n| match n {
            Notices::Host(host) => Some(host.clone()),
            _ => None,
        })
        .collect();
    let mut parts = Vec::new();
    if !hosts.is_empty() {
        let whose = if hosts.len() == 1 { "its" } else { "their" };
        parts.push(format!("{} and {whose} containers", spans(&hosts)));
    }
    let others = notices.iter().filter_map(|n| match n {
        Notices::Host(_) => None,
        Notices::Site(site) => Some(format!("everyone in {site}")),
        Notices::Network(network) => Some(format!("containers of {network}")),
        Notices::Protocol { network, protocol } => {
            Some(format!("{protocol} of containers of {network}"))
        }
        Notices::Tagged { network, vlan } => {
            Some(format!("frames of {network} with the tag {vlan}"))
        }
        Notices::Prefix(prefix) => Some(format!("who has or talks to {prefix}")),
        Notices::Between([a, b]) => Some(format!("who talks between {a} and {b}")),
        Notices::Across { prefix, site } => Some(format!("who talks between {prefix} and {site}")),
    });
    let others: Vec<String> = others.collect();
    if !others.is_empty() {
        parts.push(few(&others, false));
    }
    match parts.is_empty() {
        true => "nobody".to_owned(),
        false => parts.join("; "),
    }
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

fn disruption(d: Disruption) -> Style {
    match d {
        Disruption::None => Style::Good,
        Disruption::Brief | Disruption::Recreate => Style::Warn,
        Disruption::Outage => Style::Bad,
    }
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
