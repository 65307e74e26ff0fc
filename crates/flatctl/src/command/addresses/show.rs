//! Sets as they are.

use flatnet_k8s_api::addresses::{ACKNOWLEDGED, AddressSetStatus, RESOLVED, Role, SubscriberState};
use flatnet_k8s_client::{Key, Set};
use serde::Serialize;

use crate::CliError;
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table};

#[derive(Debug, Serialize)]
struct Row<'a> {
    namespace: &'a str,
    name: &'a str,
    status: &'a AddressSetStatus,
}

pub(super) fn list(sets: &[Set], output: &mut Output<'_>) -> Result<u8, CliError> {
    let rows: Vec<Row<'_>> = sets.iter().map(row).collect();
    output.show(&rows, |rows| vec![listed(rows)])?;
    Ok(code(sets.iter().map(|set| &set.status)))
}

fn row(set: &Set) -> Row<'_> {
    Row {
        namespace: &set.key.namespace,
        name: &set.key.name,
        status: &set.status,
    }
}

fn code<'a>(mut all: impl Iterator<Item = &'a AddressSetStatus>) -> u8 {
    match all.any(|status| !status.missing.is_empty()) {
        true => exit::FOUND,
        false => exit::OK,
    }
}

fn listed(rows: &[Row<'_>]) -> Table {
    let columns = [
        Column::text("NAMESPACE"),
        Column::text("NAME"),
        Column::number("ADDRESSES"),
        Column::number("GENERATION"),
        Column::number("ACKNOWLEDGED"),
        Column::text("MISSING"),
        Column::text("MESSAGE").flexible().wide(),
    ];
    let mut table = Table::new(columns).or_empty("no AddressSets");
    for row in rows {
        let status = row.status;
        table.row([
            row.namespace.into(),
            row.name.into(),
            number(status.count.map(i64::from)),
            number(status.generation),
            number(status.acknowledged),
            Cell::styled(status.missing.join(", "), Style::Bad),
            message(status, ACKNOWLEDGED).into(),
        ]);
    }
    table
}

fn number(number: Option<i64>) -> Cell {
    number.map_or(Cell::styled("-", Style::Warn), Cell::from)
}

fn message<'a>(status: &'a AddressSetStatus, condition: &str) -> &'a str {
    status
        .condition(condition)
        .map_or("", |c| c.message.as_str())
}

#[derive(Debug, Serialize)]
struct Shown {
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<AddressSetStatus>,
}

pub(super) fn one(
    key: &Key,
    found: Vec<(String, Option<Set>)>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    if let Some((server, _)) = found.iter().find(|(_, set)| set.is_none()) {
        return Err(CliError::NoSet {
            set: key.to_string(),
            server: server.clone(),
        });
    }
    let shown = found.into_iter().map(|(server, set)| Shown {
        server,
        status: set.map(|set| set.status),
    });
    let shown: Vec<Shown> = shown.collect();
    output.show(&shown, |shown| {
        shown
            .iter()
            .flat_map(|s| tables(key, s))
            .collect::<Vec<_>>()
    })?;
    Ok(code(shown.iter().filter_map(|s| s.status.as_ref())))
}

fn tables(key: &Key, shown: &Shown) -> Vec<Table> {
    let none = AddressSetStatus::default();
    let status = shown.status.as_ref().unwrap_or(&none);
    let mut head = Table::new([Column::text(""), Column::text("").wrapped()])
        .title(format!("{key} at {}", shown.server))
        .without_heads();
    head.row(["generation".into(), number(status.generation)]);
    head.row(["acknowledged".into(), number(status.acknowledged)]);
    head.row(["resolved".into(), message(status, RESOLVED).into()]);
    head.row(["subscribers".into(), message(status, ACKNOWLEDGED).into()]);
    for address in &status.addresses {
        head.row(["address".into(), address.as_str().into()]);
    }
    let columns = [
        Column::text("SUBSCRIBER"),
        Column::text("ROLE"),
        Column::text("STATE"),
        Column::number("GENERATION"),
        Column::text("TARGETS").flexible(),
    ];
    let mut subscribers = Table::new(columns).or_empty("no subscribers");
    for subscriber in &status.subscribers {
        let (state, style) = match subscriber.state {
            SubscriberState::Current => ("current", Style::Good),
            SubscriberState::Behind => ("behind", Style::Warn),
            SubscriberState::Expired => ("lease over", Style::Bad),
            SubscriberState::Absent => ("never seen", Style::Bad),
        };
        let role = match subscriber.role {
            Role::Advisory => "advisory",
            Role::Required if subscriber.awaited => "required",
            Role::Required => "required, not waited for any more",
        };
        let said = status.acknowledgements.iter();
        let mut said = said.filter(|a| a.subscriber == subscriber.name);
        let targets = said.next().map(|a| a.targets.join(", "));
        subscribers.row([
            subscriber.name.as_str().into(),
            role.into(),
            Cell::styled(state, style),
            number(subscriber.acknowledged),
            targets.unwrap_or_default().into(),
        ]);
    }
    vec![head, subscribers]
}
