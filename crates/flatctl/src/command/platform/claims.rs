//! `flatctl claim`.

use flatnet_platform_client::Client;
use flatnet_platform_types::api::{Claim, ClaimAnswer, ClaimObject};

use super::{all, done};
use crate::CliError;
use crate::args::ClaimCommand;
use crate::output::{Cell, Column, Output, Style, Table};

pub(super) async fn run(
    client: &Client,
    command: ClaimCommand,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    match command {
        ClaimCommand::List => {
            let claims: Vec<ClaimObject> = all(client, "/claims").await?;
            output.show(&claims, |claims| vec![table(claims)])?;
            Ok(0)
        }
        ClaimCommand::Ask {
            app,
            location,
            instances,
            reason,
        } => {
            let claim = Claim {
                location,
                instances,
                reason,
            };
            let made: ClaimObject = client
                .post(
                    &format!("/teams/{}/apps/{}/claims", app.team, app.app),
                    &claim,
                )
                .await?;
            let line = format!(
                "asked for {} instances of {app} in {}: request {}/{}",
                instances, made.spec.location, made.team, made.name
            );
            done(output, &made, &line)
        }
        ClaimCommand::Approve { claim } => {
            answer(client, &claim.team, &claim.app, true, None, output).await
        }
        ClaimCommand::Refuse { claim, reason } => {
            answer(client, &claim.team, &claim.app, false, reason, output).await
        }
    }
}

async fn answer(
    client: &Client,
    team: &str,
    name: &str,
    approved: bool,
    message: Option<String>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let answer = ClaimAnswer { approved, message };
    let made: ClaimObject = client
        .post(&format!("/teams/{team}/claims/{name}/answer"), &answer)
        .await?;
    let word = if approved { "granted" } else { "refused" };
    let line = format!(
        "{word}: {} instances of {team}/{} in {}",
        made.spec.instances, made.spec.app, made.spec.location
    );
    done(output, &made, &line)
}

fn table(claims: &[ClaimObject]) -> Table {
    let columns = [
        Column::text("REQUEST"),
        Column::text("APP"),
        Column::text("LOCATION"),
        Column::number("INSTANCES"),
        Column::number("ROOM"),
        Column::text("ANSWER"),
        Column::text("BY"),
        Column::text("REASON").wrapped(),
    ];
    let mut table = Table::new(columns);
    for claim in claims {
        let answer = match claim.status.approved {
            Some(true) => Cell::styled("granted", Style::Good),
            Some(false) => Cell::styled("refused", Style::Bad),
            None => Cell::styled("open", Style::Warn),
        };
        let reason = claim.status.message.as_ref().or(claim.spec.reason.as_ref());
        table.row([
            format!("{}/{}", claim.team, claim.name).into(),
            claim.spec.app.as_str().into(),
            claim.spec.location.as_str().into(),
            claim.spec.instances.into(),
            claim
                .room
                .map(|room| room.to_string())
                .unwrap_or_default()
                .into(),
            answer,
            claim.status.by.clone().unwrap_or_default().into(),
            reason.cloned().unwrap_or_default().into(),
        ]);
    }
    table
}
