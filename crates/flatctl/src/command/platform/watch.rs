//! A release as it goes: a live view on a terminal, lines elsewhere.

use flatnet_platform_client::{Client, Events};
use flatnet_platform_types::api::{AppObject, ReleaseObject};
use flatnet_platform_types::kinds::{Phase, ReleasePolicy, Verdict};

use super::is_live;
use super::words::{gate_in_words, path, phase, step_in_words};
use crate::CliError;
use crate::args::AppName;
use crate::output::{Cell, Column, Format, Output, Style, Table, counted};

/// Moves to the beginning of a line so many lines up, and clears what follows (ECMA-48, CPL and ED).
fn back(lines: usize) -> String {
    match lines {
        0 => String::new(),
        n => format!("\x1b[{n}F\x1b[J"),
    }
}

/// Watches until all new instances serve, or the release comes to another end.
pub(super) async fn run(
    client: &Client,
    app: &AppName,
    release: &str,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    // What comes next is by the application's steps.
    let found: AppObject = client.get(&path(app, "")).await?;
    let policy = found.spec.release;
    let mut events = Events::new(client, &path(app, &format!("/releases/{release}/events")));
    let live = is_live(output);
    let (mut shown, mut said) = (0, String::new());
    loop {
        let event = events.next().await?;
        if event.name == "end" {
            // One that is over is told before.
            return Ok(1);
        }
        let now: ReleaseObject =
            serde_json::from_str(&event.data).map_err(|source| CliError::Event { source })?;
        let outcome = outcome(&now, live);
        match (output.format, live) {
            (Format::Json | Format::Yaml, _) => {
                // A line for each event: a program reads them as they come.
                output.text(&format!("{}\n", event.data))?;
            }
            (_, true) => {
                let width = output.width;
                let text: Vec<String> = view(&now, &policy, outcome)
                    .iter()
                    .map(|table| table.render(false, width, output.colour))
                    .collect();
                let text = text.join("\n");
                output.text(&format!("{}{text}", back(shown)))?;
                shown = text.lines().count();
            }
            (_, false) => {
                let line = line(&now);
                if line != said {
                    output.text(&format!("{line}\n"))?;
                    said = line;
                }
            }
        }
        if let Some(code) = outcome {
            return Ok(code);
        }
    }
}

/// The exit code, once there is nothing more to watch. On a terminal somebody is there who can end a pause.
fn outcome(release: &ReleaseObject, live: bool) -> Option<u8> {
    match release.status.phase {
        Phase::Holding | Phase::Retiring | Phase::Done => Some(0),
        Phase::Aborted | Phase::Superseded | Phase::Failed => Some(1),
        Phase::Paused if !live => Some(1),
        _ => None,
    }
}

/// The figures of a release, summed over its clusters.
fn sums(release: &ReleaseObject) -> (u32, u32, u32) {
    let clusters = &release.status.per_cluster;
    (
        clusters.iter().map(|c| c.new_in_service).sum(),
        clusters.iter().map(|c| c.in_service).sum(),
        clusters.iter().map(|c| c.parked).sum(),
    )
}

/// A release in a line.
fn line(release: &ReleaseObject) -> String {
    let status = &release.status;
    let (new, all, parked) = sums(release);
    let at = status
        .history
        .last()
        .map(|h| format!("{} ", h.at))
        .unwrap_or_default();
    let step = match (status.step, release.steps) {
        (0, _) | (_, 0) => String::new(),
        (step, steps) => format!(" step {step} of {steps}"),
    };
    let parked = if parked > 0 {
        format!(", {parked} parked")
    } else {
        String::new()
    };
    let mut text = format!(
        "{at}{}: {:?}{step}, {new} new of {all} in service, {} wanted{parked}",
        release.name, status.phase, release.replicas
    );
    for why in [&status.reason, &status.message, &status.shortage] {
        if !why.is_empty() {
            text.push_str(&format!("; {why}"));
        }
    }
    text
}

/// What comes next, if nobody decides otherwise.
fn next(release: &ReleaseObject, policy: &ReleasePolicy) -> String {
    let status = &release.status;
    let after = |step: u32| match policy.steps.get(step as usize) {
        Some(next) => format!("step {}: {}", step + 1, step_in_words(next)),
        None => format!(
            "all {} instances; then {} old ones stay parked for {}",
            release.replicas, policy.keep_old.count, policy.keep_old.span
        ),
    };
    let now = status
        .step
        .checked_sub(1)
        .and_then(|step| policy.steps.get(step as usize));
    match status.phase {
        Phase::Pending | Phase::Placing => after(0),
        Phase::Raising | Phase::Waiting => match now {
            Some(step) if !step.gates.is_empty() => {
                let gates: Vec<&str> = step.gates.iter().map(gate_in_words).collect();
                format!("the gates {}", gates.join(", "))
            }
            Some(step) if step.bake.as_millis() > 0 => format!("bake for {}", step.bake),
            _ => after(status.step),
        },
        Phase::Gating => match now.filter(|s| s.bake.as_millis() > 0) {
            Some(step) => format!("bake for {}", step.bake),
            None => after(status.step),
        },
        Phase::Baking => match now {
            Some(step) => format!(
                "{}, after {} of {}",
                after(status.step),
                status.timers.bake,
                step.bake
            ),
            None => after(status.step),
        },
        Phase::Paused => {
            "nothing, until somebody decides: `flatctl release resume`, `promote` or `abort`"
                .to_owned()
        }
        Phase::Holding => format!("the parked ones go after {}", policy.keep_old.span),
        Phase::Aborting => "the new instances go".to_owned(),
        Phase::Retiring => "done".to_owned(),
        Phase::Done | Phase::Aborted | Phase::Superseded | Phase::Failed => String::new(),
    }
}

/// What an abort would do now.
fn abort(release: &ReleaseObject) -> String {
    let (new, all, parked) = sums(release);
    match release.status.phase {
        phase if phase.is_over() || phase == Phase::Retiring => {
            "nothing: `flatctl rollback` goes back".to_owned()
        }
        Phase::Aborting => "it is under way".to_owned(),
        _ => {
            let wanted = release.replicas.saturating_sub(all.saturating_sub(new));
            let at_once = wanted.min(parked);
            let made = wanted - at_once;
            let number = |n: u32, what: &str| counted(n as usize, what);
            let back = match (at_once, made) {
                (0, 0) => "all old instances serve".to_owned(),
                (n, 0) => format!("{} back at once", number(n, "parked instance")),
                (0, m) => format!("{} made again", number(m, "old instance")),
                (n, m) => format!(
                    "{} back at once, {} made again",
                    number(n, "parked instance"),
                    number(m, "old instance")
                ),
            };
            format!("{back}; {} removed", number(new, "new instance"))
        }
    }
}

fn view(release: &ReleaseObject, policy: &ReleasePolicy, outcome: Option<u8>) -> Vec<Table> {
    let status = &release.status;
    let mut head =
        Table::new([Column::text("RELEASE"), Column::text("").wrapped()]).without_heads();
    let step = match (status.step, release.steps) {
        (0, _) | (_, 0) => String::new(),
        (step, steps) => format!("{step} of {steps}"),
    };
    let digest = release
        .spec
        .digest
        .get(..19)
        .unwrap_or(&release.spec.digest);
    let why = [&status.reason, &status.message].map(String::as_str);
    let why: Vec<&str> = why.into_iter().filter(|w| !w.is_empty()).collect();
    let title = format!("{}/{}, {digest}…", release.team, release.name);
    let mut facts: Vec<(&str, Cell)> = vec![
        ("release", title.into()),
        ("phase", phase(status.phase)),
        ("step", step.into()),
    ];
    facts.push(("why", why.join(": ").into()));
    facts.push(("short", Cell::styled(status.shortage.as_str(), Style::Warn)));
    facts.push(("next", next(release, policy).into()));
    if outcome.is_none() {
        facts.push(("an abort now", abort(release).into()));
    }
    for (name, value) in facts {
        if !value.is_empty() {
            head.row([Cell::styled(name, Style::Bold), value]);
        }
    }
    let columns = [
        Column::text("CLUSTER"),
        Column::number("NEW"),
        Column::number("SERVING"),
        Column::number("OLD"),
        Column::number("PARKED"),
        Column::number("IN SERVICE"),
        Column::text("FIGURES").wrapped(),
    ];
    let mut clusters = Table::new(columns).or_empty("no instance yet");
    for c in &status.per_cluster {
        let figures = match c.current {
            true => Cell::styled("current", Style::Dim),
            false => Cell::styled("last known: no answer", Style::Warn),
        };
        clusters.row([
            c.cluster.as_str().into(),
            c.new.into(),
            Cell::styled(c.new_in_service.to_string(), Style::Good),
            c.old.into(),
            c.parked.into(),
            c.in_service.into(),
            figures,
        ]);
    }
    let mut tables = vec![head, clusters];
    if !status.gates.is_empty() {
        let columns = [
            Column::text("GATE"),
            Column::text("SAYS"),
            Column::text("WHY").wrapped(),
        ];
        let mut gates = Table::new(columns);
        for gate in &status.gates {
            let says = match gate.verdict {
                Verdict::Pass => Cell::styled("pass", Style::Good),
                Verdict::Fail => Cell::styled("fail", Style::Bad),
                Verdict::Unknown => Cell::styled("unknown", Style::Warn),
            };
            gates.row([gate.kind.as_str().into(), says, gate.reason.as_str().into()]);
        }
        tables.push(gates);
    }
    tables
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn release(phase: &str, new: u32, old: u32, parked: u32) -> ReleaseObject {
        serde_json::from_value(json!({
            "team": "shop", "name": "web-3", "resourceVersion": "1", "steps": 2, "replicas": 10,
            "spec": {"app": "web", "digest": format!("sha256:{}", "1".repeat(64))},
            "status": {
                "phase": phase, "step": 1, "reason": "", "message": "",
                "perCluster": [
                    {"cluster": "idc", "current": true, "new": new, "old": old + parked, "inService": new + old, "newInService": new, "parked": parked},
                    {"cluster": "cloud", "current": false},
                ],
            },
        }))
        .expect("a release")
    }

    fn policy() -> ReleasePolicy {
        serde_json::from_value(json!({
            "steps": [{"instances": 1, "bake": "5m", "gates": [{"probe": "/healthz"}]}, {"instances": "20%"}],
        }))
        .expect("a policy")
    }

    #[test]
    fn a_line_says_how_far_it_is() {
        assert_eq!(
            line(&release("Gating", 1, 9, 1)),
            "web-3: Gating step 1 of 2, 1 new of 10 in service, 10 wanted, 1 parked"
        );
    }

    #[test]
    fn what_comes_next_and_what_an_abort_would_do_are_told() {
        for (phase, told) in [
            ("Pending", "step 1: 1, gates probe, bake 5m"),
            ("Raising", "the gates probe"),
            ("Gating", "bake for 5m"),
            ("Baking", "step 2: 20%, after 0s of 5m"),
        ] {
            assert_eq!(next(&release(phase, 1, 9, 1), &policy()), told, "{phase}");
        }
        assert_eq!(
            abort(&release("Gating", 1, 9, 1)),
            "1 parked instance back at once; 1 new instance removed"
        );
        assert_eq!(
            abort(&release("Raising", 4, 6, 1)),
            "1 parked instance back at once, 3 old instances made again; 4 new instances removed"
        );
        assert_eq!(
            abort(&release("Raising", 0, 10, 0)),
            "all old instances serve; 0 new instances removed"
        );
    }

    #[test]
    fn a_watch_ends_where_nothing_more_is_to_be_seen() {
        for (phase, on_a_terminal, elsewhere) in [
            ("Baking", None, None),
            ("Paused", None, Some(1)),
            ("Holding", Some(0), Some(0)),
            ("Aborted", Some(1), Some(1)),
        ] {
            let release = release(phase, 1, 9, 0);
            assert_eq!(
                (outcome(&release, true), outcome(&release, false)),
                (on_a_terminal, elsewhere),
                "{phase}"
            );
        }
    }

    #[test]
    fn the_view_fits_and_names_a_cluster_that_does_not_answer() {
        let tables = view(&release("Gating", 1, 9, 1), &policy(), None);
        let text: String = tables
            .iter()
            .map(|t| t.render(false, Some(80), false))
            .collect();
        assert!(
            text.contains("an abort now") && text.contains("no answer"),
            "{text}"
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
}
