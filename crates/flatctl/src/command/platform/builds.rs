//! `flatctl build`.

use flatnet_platform_client::{Client, Events};
use flatnet_platform_types::api::{BuildObject, BuildRequest};
use flatnet_platform_types::kinds::BuildPhase;

use super::words::{build_phase, path};
use super::{all, done};
use crate::CliError;
use crate::args::{AppName, BuildArgs};
use crate::output::{Column, Format, Output, Table};

pub(super) async fn run(
    client: &Client,
    args: BuildArgs,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let app = &args.app;
    let build = match (args.commit, args.log) {
        (Some(commit), _) => {
            let request = BuildRequest {
                commit,
                again: args.again,
            };
            let made: BuildObject = client.post(&path(app, "/builds"), &request).await?;
            if args.no_wait {
                let line = format!(
                    "build {} of commit {}: {:?}; `flatctl build {app} --log {}`",
                    made.name, made.spec.commit, made.status.phase, made.name
                );
                return done(output, &made, &line);
            }
            output.note(&format!(
                "build {} of commit {}",
                made.name, made.spec.commit
            ));
            if made.status.phase.is_over() {
                return ended(app, &made, output);
            }
            made.name
        }
        (None, Some(build)) => build,
        (None, None) => {
            let builds: Vec<BuildObject> = all(client, &path(app, "/builds")).await?;
            output.show(&builds, |builds| vec![table(builds)])?;
            return Ok(0);
        }
    };
    log(client, app, &build, output).await?;
    let now: BuildObject = client.get(&path(app, &format!("/builds/{build}"))).await?;
    ended(app, &now, output)
}

/// Shows the log until its end. In the machine's formats it is a note: the answer is the build.
async fn log(
    client: &Client,
    app: &AppName,
    build: &str,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let mut events = Events::new(client, &path(app, &format!("/builds/{build}/log")));
    loop {
        let event = events.next().await?;
        match (event.name.as_str(), output.format) {
            ("end", _) => {
                if event.data.starts_with("the log") {
                    output.note(&event.data);
                }
                return Ok(());
            }
            (_, Format::Json | Format::Yaml) => output.note(&event.data),
            _ => output.text(&format!("{}\n", event.data))?,
        }
    }
}

fn ended(app: &AppName, build: &BuildObject, output: &mut Output<'_>) -> Result<u8, CliError> {
    let status = &build.status;
    let line = match (&status.digest, &status.reason) {
        (Some(digest), _) => {
            format!("{digest}\nrelease it: `flatctl release start {app} --digest {digest}`")
        }
        (None, reason) => format!(
            "{:?}: {}",
            status.phase,
            reason.as_deref().unwrap_or("no more is known")
        ),
    };
    done(output, build, &line)?;
    Ok(u8::from(status.phase != BuildPhase::Done))
}

fn table(builds: &[BuildObject]) -> Table {
    let columns = [
        Column::text("BUILD"),
        Column::text("COMMIT"),
        Column::text("TEMPLATE"),
        Column::text("PHASE"),
        Column::text("ASKED"),
        Column::text("BY"),
        Column::text("DIGEST").wrapped(),
        Column::text("WHY").wrapped(),
    ];
    let mut table = Table::new(columns);
    for build in builds {
        let (spec, status) = (&build.spec, &build.status);
        table.row([
            build.name.as_str().into(),
            spec.commit.get(..12).unwrap_or(&spec.commit).into(),
            format!("{}@{}", spec.template, spec.template_version).into(),
            build_phase(status.phase),
            build
                .created
                .map(|at| at.to_string())
                .unwrap_or_default()
                .into(),
            build.by.clone().unwrap_or_default().into(),
            status.digest.clone().unwrap_or_default().into(),
            status.reason.clone().unwrap_or_default().into(),
        ]);
    }
    table
}
