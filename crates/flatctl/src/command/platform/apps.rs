//! `flatctl app`, `scale` and `place`.

use flatnet_platform_client::Client;
use flatnet_platform_types::api::{
    AppObject, AppSummary, Code, Instance, InstanceState, Instances, PlaceRequest, Placed,
    ScaleRequest, Scaled, Unread,
};
use serde_json::{Value, json};

use super::words::{path, phase, step_in_words};
use super::{all, difference, document, done, encoded};
use crate::CliError;
use crate::args::{AppCommand, AppName, PlaceArgs, ScaleArgs};
use crate::output::{Cell, Column, Output, Style, Table};

pub(super) async fn run(
    client: &Client,
    command: AppCommand,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    match command {
        AppCommand::List { words, team } => {
            let mut path = format!("/apps?q={}", encoded(&words.join(" ")));
            if let Some(team) = team {
                path.push_str(&format!("&team={}", encoded(&team)));
            }
            let apps: Vec<AppSummary> = all(client, &path).await?;
            output.show(&apps, |apps| vec![list(apps)])?;
            Ok(0)
        }
        AppCommand::Show { app } => {
            let app: AppObject = client.get(&path(&app, "")).await?;
            output.show(&app, |app| vec![facts(app)])?;
            Ok(0)
        }
        AppCommand::Instances { app } => {
            let found: Instances = client.get(&path(&app, "/instances")).await?;
            output.show(&found, |found| vec![instances(found)])?;
            Ok(u8::from(!found.unread.is_empty()))
        }
        AppCommand::Apply { file, dry_run } => apply(client, &file, dry_run, output).await,
        AppCommand::Remove { app } => {
            client.delete(&path(&app, "")).await?;
            done(
                output,
                &json!({"removed": app.to_string()}),
                &format!("application {app} is removed"),
            )
        }
    }
}

fn list(apps: &[AppSummary]) -> Table {
    let columns = [
        Column::text("APP"),
        Column::text("LOCATIONS").flexible(),
        Column::number("SERVING"),
        Column::text("REVISION"),
        Column::text("RELEASE"),
        Column::text("PHASE"),
        Column::text("TEMPLATE").wide(),
        Column::text("REPOSITORY").wide(),
    ];
    let mut table = Table::new(columns);
    for app in apps {
        let style = if app.in_service < app.replicas {
            Style::Warn
        } else {
            Style::Plain
        };
        table.row([
            format!("{}/{}", app.team, app.name).into(),
            app.locations.join(", ").into(),
            Cell::styled(format!("{}/{}", app.in_service, app.replicas), style),
            app.revision.clone().unwrap_or_default().into(),
            app.release.clone().unwrap_or_default().into(),
            app.phase.map(phase).unwrap_or_default(),
            app.template.as_str().into(),
            app.repo.as_str().into(),
        ]);
    }
    table
}

fn facts(app: &AppObject) -> Table {
    let spec = &app.spec;
    let mut table = Table::new([Column::text("APP"), Column::text("").wrapped()]);
    let locations = spec.placement.locations.iter().map(|l| match l.min {
        Some(min) => format!("{} (at least {min})", l.name),
        None => l.name.clone(),
    });
    let steps = spec.release.steps.iter().map(step_in_words);
    let stable = app.status.stable.as_ref();
    let placement = stable
        .iter()
        .flat_map(|s| &s.placement)
        .map(|c| format!("{} in {} ({})", c.count, c.cluster, c.group));
    for (name, value) in [
        ("name", format!("{}/{}", app.team, app.name)),
        ("repository", spec.repo.clone()),
        (
            "template",
            format!("{}@{}", spec.template.name, spec.template.version),
        ),
        (
            "instances",
            format!(
                "{} wanted, {} in service",
                spec.replicas, app.status.in_service
            ),
        ),
        ("locations", locations.collect::<Vec<_>>().join(", ")),
        ("placed", placement.collect::<Vec<_>>().join(", ")),
        (
            "steps",
            steps
                .chain(["all".to_owned()])
                .collect::<Vec<_>>()
                .join("; "),
        ),
        (
            "while releasing",
            format!(
                "{} may be out of service, {} above those wanted",
                spec.release.max_unavailable, spec.release.max_surge
            ),
        ),
        (
            "way back",
            format!(
                "{} old ones kept for {}",
                spec.release.keep_old.count, spec.release.keep_old.span
            ),
        ),
        (
            "stable",
            stable.map(|s| s.revision.clone()).unwrap_or_default(),
        ),
        ("release", app.status.release.clone().unwrap_or_default()),
    ] {
        if !value.is_empty() {
            table.row([name.into(), value.into()]);
        }
    }
    table
}

fn instances(found: &Instances) -> Table {
    let columns = [
        Column::text("INSTANCE"),
        Column::text("CLUSTER"),
        Column::text("REVISION"),
        Column::text("STATE"),
        Column::text("NODE"),
        Column::text("ADDRESSES").flexible(),
        Column::number("RESTARTS"),
        Column::text("GROUP").wide(),
        Column::text("SINCE").wide(),
        Column::text("REASON").wrapped(),
    ];
    let mut table = Table::new(columns);
    for one in &found.items {
        table.row(instance(one));
    }
    for unread in &found.unread {
        table.note(unknown(unread));
    }
    table
}

fn instance(one: &Instance) -> Vec<Cell> {
    let (word, style) = match one.state {
        InstanceState::InService => ("in service", Style::Good),
        InstanceState::Starting => ("starting", Style::Warn),
        InstanceState::Draining => ("draining", Style::Warn),
        InstanceState::Parked => ("parked", Style::Dim),
        InstanceState::Deleting => ("deleting", Style::Dim),
        InstanceState::Ended => ("ended", Style::Bad),
    };
    vec![
        one.name.as_str().into(),
        one.cluster.as_str().into(),
        one.revision.as_str().into(),
        Cell::styled(word, style),
        one.node.clone().unwrap_or_default().into(),
        one.addresses.join(", ").into(),
        one.restarts.into(),
        one.group.as_str().into(),
        one.created
            .map(|at| at.to_string())
            .unwrap_or_default()
            .into(),
        one.reason.as_str().into(),
    ]
}

fn unknown(unread: &Unread) -> String {
    format!("cluster {} does not say: {}", unread.cluster, unread.reason)
}

/// Makes or changes an application by a document: that of `flatctl app show -o yaml` will do.
async fn apply(
    client: &Client,
    file: &std::path::Path,
    dry_run: bool,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let document = document(file)?;
    let text = |key: &'static str| {
        let text = document[key].as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| CliError::NoField {
            path: file.to_owned(),
            key,
        })
    };
    let app = AppName {
        team: text("team")?,
        app: text("name")?,
    };
    let spec = &document["spec"];
    if !spec.is_object() {
        return Err(CliError::NoField {
            path: file.to_owned(),
            key: "spec",
        });
    }
    let now: Option<AppObject> = match client.get(&path(&app, "")).await {
        Ok(now) => Some(now),
        Err(error) if error.code() == Some(Code::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    // Read as the server reads it, so that what is written out and is the default is no difference.
    let wanted: flatnet_platform_types::kinds::AppSpec = serde_json::from_value(spec.clone())
        .map_err(|source| CliError::Spec {
            path: file.to_owned(),
            source,
        })?;
    let changes = flatnet_platform_types::api::difference(now.as_ref().map(|n| &n.spec), &wanted);
    let (word, made) = match &now {
        Some(_) if changes.is_empty() => ("is as it is to be", now.clone()),
        _ if dry_run && now.is_none() => ("would be made", None),
        _ if dry_run => ("would change", None),
        None => {
            let body = json!({"name": app.app, "spec": spec});
            (
                "is made",
                Some(
                    client
                        .post(&format!("/teams/{}/apps", app.team), &body)
                        .await?,
                ),
            )
        }
        Some(now) => {
            // The document's version is that of what its author read; without one, what is there now is meant.
            let version = document["resourceVersion"]
                .as_str()
                .unwrap_or(&now.resource_version);
            let body = json!({"resourceVersion": version, "spec": spec});
            (
                "is changed",
                Some(client.put(&path(&app, ""), &body).await?),
            )
        }
    };
    let said = match changes.is_empty() || now.is_none() {
        true => String::new(),
        false => format!(": {}", difference(&changes)),
    };
    let view = made.map_or_else(
        || json!({"difference": changes}),
        |made| serde_json::to_value(made).unwrap_or(Value::Null),
    );
    done(output, &view, &format!("application {app} {word}{said}"))
}

pub(super) async fn scale(
    client: &Client,
    args: ScaleArgs,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let ScaleArgs {
        app,
        to,
        even_without_room,
        dry_run,
    } = args;
    if dry_run {
        return dry(client, &app, Some(to), output).await;
    }
    let request = ScaleRequest {
        replicas: to,
        even_without_room,
    };
    let scaled: Scaled = client.post(&path(&app, "/scale"), &request).await?;
    output.show(&scaled, |scaled| {
        let title = format!("{app}: {} → {} instances", scaled.from, scaled.to);
        let mut table = cells(&scaled.placed).title(title);
        table.note(match &scaled.release {
            Some(release) => format!("release {release} does it: `flatctl release watch {app}`, `flatctl app instances {app}`"),
            None => "no release acts yet: the first one makes them".to_owned(),
        });
        vec![table]
    })?;
    Ok(u8::from(scaled.placed.fits < scaled.placed.wanted))
}

pub(super) async fn place(
    client: &Client,
    args: PlaceArgs,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    dry(client, &args.app, args.replicas, output).await
}

async fn dry(
    client: &Client,
    app: &AppName,
    replicas: Option<u32>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let request = PlaceRequest {
        replicas,
        placement: None,
    };
    let placed: Placed = client.post(&path(app, "/place"), &request).await?;
    output.show(&placed, |placed| vec![cells(placed)])?;
    Ok(u8::from(placed.fits < placed.wanted))
}

/// Where instances go, and what is short.
fn cells(placed: &Placed) -> Table {
    let columns = [
        Column::text("LOCATION"),
        Column::text("CLUSTER"),
        Column::text("GROUP"),
        Column::number("MORE"),
        Column::text("NODES, PROBABLY").wrapped(),
    ];
    let mut table = Table::new(columns).or_empty("nothing to place");
    for cell in &placed.cells {
        let nodes = cell.nodes.iter().map(|n| match n.count {
            1 => n.name.clone(),
            count => format!("{} ({count})", n.name),
        });
        table.row([
            cell.location.as_str().into(),
            cell.cluster.as_str().into(),
            cell.group.as_str().into(),
            cell.count.into(),
            nodes.collect::<Vec<_>>().join(", ").into(),
        ]);
    }
    if !placed.shortage.is_empty() {
        table.note(format!("short: {}", placed.shortage));
    }
    for unread in &placed.unread {
        table.note(unknown(unread));
    }
    table
}
