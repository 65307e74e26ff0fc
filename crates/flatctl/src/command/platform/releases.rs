//! `flatctl release` and `flatctl rollback`.

use flatnet_platform_client::Client;
use flatnet_platform_types::api::{
    AppObject, PromoteRequest, ReleaseObject, ReleaseRequest, RollbackRequest,
};
use serde_json::{Map, Value, json};

use super::words::{path, phase};
use super::{all, done, key, watch};
use crate::CliError;
use crate::args::{AppName, ReleaseCommand, RollbackArgs};
use crate::output::{Column, Output, Table};

pub(super) async fn run(
    client: &Client,
    command: ReleaseCommand,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    match command {
        ReleaseCommand::Start {
            app,
            digest,
            values,
            watch: watched,
            idempotency_key,
        } => {
            let request = ReleaseRequest {
                digest,
                values: given(&values)?,
                emergency: false,
            };
            let key = idempotency_key.map_or_else(key, Ok)?;
            let made: ReleaseObject = client
                .post_once(&path(&app, "/releases"), &request, &key)
                .await?;
            started(client, &app, &made, watched, output).await
        }
        ReleaseCommand::Watch { app, release } => {
            let release = acting(client, &app, release).await?;
            watch::run(client, &app, &release, output).await
        }
        ReleaseCommand::Promote { app, release, step } => {
            let request = PromoteRequest { step };
            decide(client, &app, release, "promote", &json!(request), output).await
        }
        ReleaseCommand::Pause { app, release } => {
            decide(client, &app, release, "pause", &json!({}), output).await
        }
        ReleaseCommand::Resume { app, release } => {
            decide(client, &app, release, "resume", &json!({}), output).await
        }
        ReleaseCommand::Abort {
            app,
            release,
            watch: watched,
        } => {
            let release = acting(client, &app, release).await?;
            let code = decide(
                client,
                &app,
                Some(release.clone()),
                "abort",
                &json!({}),
                output,
            )
            .await?;
            match watched {
                true => watch::run(client, &app, &release, output).await,
                false => Ok(code),
            }
        }
        ReleaseCommand::History { app } => {
            let releases: Vec<ReleaseObject> = all(client, &path(&app, "/releases")).await?;
            output.show(&releases, |releases| vec![history(releases)])?;
            Ok(0)
        }
    }
}

pub(super) async fn rollback(
    client: &Client,
    args: RollbackArgs,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let request = RollbackRequest { to: args.to };
    let made: ReleaseObject = client
        .post_once(&path(&args.app, "/rollback"), &request, &key()?)
        .await?;
    started(client, &args.app, &made, args.watch, output).await
}

async fn started(
    client: &Client,
    app: &AppName,
    made: &ReleaseObject,
    watched: bool,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    if watched {
        output.note(&format!(
            "release {} of {app}: {}",
            made.name, made.spec.digest
        ));
        return watch::run(client, app, &made.name, output).await;
    }
    let line = format!(
        "release {} is started: `flatctl release watch {app} {}`",
        made.name, made.name
    );
    done(output, made, &line)
}

/// `NAME=VALUE`s as values; numbers, true and false are what they look like.
fn given(values: &[String]) -> Result<Value, CliError> {
    if values.is_empty() {
        return Ok(Value::Null);
    }
    let mut given = Map::new();
    for pair in values {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| CliError::NoPair { text: pair.clone() })?;
        let value = serde_json::from_str(value)
            .ok()
            .filter(|v: &Value| v.is_number() || v.is_boolean())
            .unwrap_or_else(|| value.into());
        given.insert(name.to_owned(), value);
    }
    Ok(given.into())
}

/// The release that is named, or the one that acts.
async fn acting(
    client: &Client,
    app: &AppName,
    release: Option<String>,
) -> Result<String, CliError> {
    if let Some(release) = release {
        return Ok(release);
    }
    // The latest one acts, or is about to.
    let page: flatnet_platform_types::api::Page<ReleaseObject> =
        client.get(&path(app, "/releases?limit=1")).await?;
    match page.items.into_iter().next() {
        Some(release) => Ok(release.name),
        None => {
            let found: AppObject = client.get(&path(app, "")).await?;
            Err(CliError::NoRelease {
                app: format!("{}/{}", found.team, found.name),
            })
        }
    }
}

async fn decide(
    client: &Client,
    app: &AppName,
    release: Option<String>,
    verb: &str,
    body: &Value,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let release = acting(client, app, release).await?;
    let made: ReleaseObject = client
        .post(&path(app, &format!("/releases/{release}/{verb}")), body)
        .await?;
    let said = match verb {
        "promote" => format!("step {} is promoted", made.spec.decision_step.unwrap_or(0)),
        "pause" => "stays as it is: `flatctl release resume` or `abort`".to_owned(),
        "resume" => "goes on".to_owned(),
        _ => "is aborted: the old instances serve again, the new ones go".to_owned(),
    };
    done(output, &made, &format!("release {release} of {app} {said}"))
}

fn history(releases: &[ReleaseObject]) -> Table {
    let columns = [
        Column::text("RELEASE"),
        Column::text("KIND"),
        Column::text("PHASE"),
        Column::text("REVISION"),
        Column::text("BEGUN"),
        Column::text("BY"),
        Column::text("DIGEST").wide(),
        Column::text("WHY").wrapped(),
    ];
    let mut table = Table::new(columns);
    for release in releases {
        let status = &release.status;
        let why = match status.reason.is_empty() {
            true => status.message.clone(),
            false => format!("{}: {}", status.reason, status.message),
        };
        table.row([
            release.name.as_str().into(),
            format!("{:?}", release.spec.kind).into(),
            phase(status.phase),
            status.revision.as_str().into(),
            release
                .created
                .map(|at| at.to_string())
                .unwrap_or_default()
                .into(),
            release.by.clone().unwrap_or_default().into(),
            release.spec.digest.as_str().into(),
            why.trim_end_matches(": ").into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_they_look_like() {
        let texts = [
            "port=8080",
            "debug=true",
            "name=a=b",
            "version=1.2.3",
            "list=[1]",
        ]
        .map(str::to_owned);
        let read = given(&texts).expect("values");
        assert_eq!(
            read,
            json!({"port": 8080, "debug": true, "name": "a=b", "version": "1.2.3", "list": "[1]"})
        );
        assert!(given(&["port".to_owned()]).is_err());
    }
}
