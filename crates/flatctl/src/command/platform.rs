//! The commands on the release platform: each is a call of its API.

mod apps;
mod builds;
mod claims;
mod clusters;
mod releases;
mod watch;
mod words;

use std::io::{IsTerminal, Read};
use std::path::Path;

use flatnet_platform_client::{Client, Place};
use flatnet_platform_types::api::{Change, ChangeOutcome, Login, Page, Session, WhoAmI};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::CliError;
use crate::args::{AuditArgs, LoginArgs, PlatformCommand, ServerArgs};
use crate::output::{Cell, Column, Output, Style, Table};

/// The longest password or token on standard input, in bytes.
const SECRET_MAX: u64 = 16 << 10;
/// The longest document, in bytes.
const DOCUMENT_MAX: u64 = 1 << 20;
/// Objects of a page: the most that the API gives.
const PAGE: usize = 500;

/// Runs one of them.
pub(super) fn run(command: PlatformCommand, output: &mut Output<'_>) -> Result<u8, CliError> {
    use PlatformCommand as P;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    runtime.block_on(async {
        match command {
            P::Login(args) => login(&args, output).await,
            P::Whoami { at } => who_am_i(&client(&at)?, output).await,
            P::Cluster { at, command } => clusters::run(&client(&at)?, command, output).await,
            P::Template { at, command } => clusters::template(&client(&at)?, command, output).await,
            P::App { at, command } => apps::run(&client(&at)?, command, output).await,
            P::Build { at, args } => builds::run(&client(&at)?, args, output).await,
            P::Release { at, command } => releases::run(&client(&at)?, command, output).await,
            P::Rollback { at, args } => releases::rollback(&client(&at)?, args, output).await,
            P::Scale { at, args } => apps::scale(&client(&at)?, args, output).await,
            P::Place { at, args } => apps::place(&client(&at)?, args, output).await,
            P::Claim { at, command } => claims::run(&client(&at)?, command, output).await,
            P::Audit { at, args } => audit(&client(&at)?, &args, output).await,
        }
    })
}

/// The API that is named, or that of the last login.
fn client(at: &ServerArgs) -> Result<Client, CliError> {
    let kept = match &at.server {
        Some(_) if at.platform_token_file.is_some() => None,
        _ => Place::read(&Place::usual_file()?)?,
    };
    let token = match &at.platform_token_file {
        None => None,
        Some(path) => {
            let text = flatnet_files::read_text(path, SECRET_MAX);
            let text = text.map_err(|source| CliError::Read {
                path: path.clone(),
                source,
            })?;
            Some(text.trim().to_owned())
        }
    };
    let place = match (&at.server, kept) {
        (None, None) => return Err(CliError::NoServer),
        (None, Some(kept)) => Place {
            token: token.or(kept.token),
            ca: at.server_ca.clone().or(kept.ca),
            ..kept
        },
        // A session is for the server that gave it.
        (Some(server), kept) => {
            let kept = kept
                .filter(|kept| kept.server.trim_end_matches('/') == server.trim_end_matches('/'));
            Place {
                server: server.clone(),
                ca: at
                    .server_ca
                    .clone()
                    .or(kept.as_ref().and_then(|k| k.ca.clone())),
                token: token.or(kept.and_then(|k| k.token)),
                expires: None,
            }
        }
    };
    Ok(Client::new(&place)?)
}

/// A password or token from standard input; a terminal does not show what is typed.
fn secret(what: &'static str) -> Result<String, CliError> {
    let input = std::io::stdin();
    let read = match input.is_terminal() {
        true => rpassword::prompt_password(format!("{what}: ")),
        false => {
            let mut text = String::new();
            let read = input.take(SECRET_MAX).read_to_string(&mut text);
            read.map(|_| text)
        }
    };
    let text = read.map_err(|source| CliError::Read {
        path: "-".into(),
        source,
    })?;
    let text = text.trim_end_matches(['\n', '\r']);
    match text.is_empty() {
        true => Err(CliError::NoSecret { what }),
        false => Ok(text.to_owned()),
    }
}

async fn login(args: &LoginArgs, output: &mut Output<'_>) -> Result<u8, CliError> {
    let ca = args.ca.as_ref().map(std::path::absolute).transpose();
    let mut place = Place {
        server: args.url.trim_end_matches('/').to_owned(),
        ca: ca.map_err(CliError::Runtime)?,
        token: None,
        expires: None,
    };
    match &args.name {
        Some(name) => {
            let login = Login {
                name: name.clone(),
                password: secret("password")?,
            };
            let session: Session = Client::new(&place)?.post("/login", &login).await?;
            place.token = Some(session.token);
            place.expires = Some(session.expires);
        }
        None if args.token => place.token = Some(secret("token")?),
        None => return Err(CliError::NoCredentials),
    }
    // What is kept is known to work.
    let who: WhoAmI = Client::new(&place)?.get("/whoami").await?;
    let path = Place::usual_file()?;
    place.keep(&path)?;
    output.note(&format!("the session is kept in {}", path.display()));
    show_caller(&who, output)
}

async fn who_am_i(client: &Client, output: &mut Output<'_>) -> Result<u8, CliError> {
    show_caller(&client.get("/whoami").await?, output)
}

fn show_caller(who: &WhoAmI, output: &mut Output<'_>) -> Result<u8, CliError> {
    output.show(who, |who| {
        let mut table = Table::new([Column::text("USER"), Column::text("GROUPS").wrapped()]);
        table.row([who.name.as_str().into(), who.groups.join(", ").into()]);
        vec![table]
    })?;
    Ok(0)
}

/// All objects of a list, page by page. `path` has a query already, or none.
async fn all<T: DeserializeOwned>(client: &Client, path: &str) -> Result<Vec<T>, CliError> {
    let mut items = Vec::new();
    let mut after: Option<String> = None;
    let joint = if path.contains('?') { '&' } else { '?' };
    loop {
        let from = after
            .as_ref()
            .map(|after| format!("&after={}", encoded(after)));
        let page = format!("{path}{joint}limit={PAGE}{}", from.unwrap_or_default());
        let page: Page<T> = client.get(&page).await?;
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(items);
        }
    }
}

/// A text as a value in a query (RFC 3986 §2.1).
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// A document of a file, or of standard input where it is `-`, as JSON.
fn document(path: &Path) -> Result<serde_json::Value, CliError> {
    let read = |source| CliError::Read {
        path: path.to_owned(),
        source,
    };
    let text = match path.as_os_str() == "-" {
        true => flatnet_files::stream_text(std::io::stdin(), DOCUMENT_MAX),
        false => flatnet_files::read_text(path, DOCUMENT_MAX),
    };
    serde_norway::from_str(&text.map_err(read)?).map_err(|source| CliError::Document {
        path: path.to_owned(),
        source,
    })
}

async fn audit(client: &Client, args: &AuditArgs, output: &mut Output<'_>) -> Result<u8, CliError> {
    let mut path = format!("/audit?limit={}", args.limit);
    for (name, value) in [("team", &args.team), ("object", &args.object)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    let page: Page<Change> = client.get(&path).await?;
    output.show(&page.items, |changes| {
        let columns = [
            Column::number("NUMBER"),
            Column::text("AT"),
            Column::text("BY"),
            Column::text("ACTION"),
            Column::text("OBJECT"),
            Column::text("OUTCOME"),
            Column::text("DIFFERENCE").wrapped(),
        ];
        let mut table = Table::new(columns);
        for change in changes {
            let object = match &change.team {
                Some(team) => format!("{team}: {}", change.object),
                None => change.object.clone(),
            };
            let outcome = match change.outcome {
                ChangeOutcome::Done => Cell::styled("done", Style::Good),
                ChangeOutcome::Failed => Cell::styled("failed", Style::Bad),
                ChangeOutcome::Begun => Cell::styled("begun", Style::Warn),
            };
            let said = change
                .reason
                .clone()
                .unwrap_or_else(|| difference(&change.difference));
            let row: [Cell; 7] = [
                change.number.into(),
                change.at.to_string().into(),
                change.by.as_str().into(),
                change.action.as_str().into(),
                object.into(),
                outcome,
                said.into(),
            ];
            table.row(row);
        }
        vec![table]
    })?;
    Ok(0)
}

/// The fields that changed, in a line.
fn difference(changes: &[flatnet_platform_types::api::FieldChange]) -> String {
    let text = |value: &Option<serde_json::Value>| match value {
        None => "none".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let changes = changes.iter().map(|c| match &c.from {
        None => format!("{}: {}", c.field, text(&c.to)),
        Some(_) => format!("{}: {} → {}", c.field, text(&c.from), text(&c.to)),
    });
    changes.collect::<Vec<_>>().join(", ")
}

/// Prints a line that says what was done, or the answer itself for programs.
fn done<V: Serialize>(output: &mut Output<'_>, view: &V, line: &str) -> Result<u8, CliError> {
    match output.format {
        crate::output::Format::Json | crate::output::Format::Yaml => {
            output.show(view, |_| Vec::new())?
        }
        _ => output.text(&format!("{line}\n"))?,
    }
    Ok(0)
}

/// A random key for a request that is not to be done twice.
fn key() -> Result<String, CliError> {
    let mut bytes = [0; 16];
    let mut file = std::fs::File::open("/dev/urandom").map_err(CliError::Runtime)?;
    file.read_exact(&mut bytes).map_err(CliError::Runtime)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether standard output shows a live view.
fn is_live(output: &Output<'_>) -> bool {
    output.width.is_some() && matches!(output.format, crate::output::Format::Table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_a_query_has_nothing_that_ends_it() {
        assert_eq!(encoded("shop/web&a=b é"), "shop%2Fweb%26a%3Db%20%C3%A9");
    }
}
