//! `flatctl cluster` and `flatctl template`.

use std::collections::BTreeMap;

use flatnet_platform_client::Client;
use flatnet_platform_types::api::{
    ClusterAdd, ClusterCredentials, ClusterObject, ClusterUpdate, RegistryPassword, TemplateObject,
};
use flatnet_platform_types::kinds::{ClusterState, NodeGroup, Reachable};
use serde_json::json;

use super::{all, document, done};
use crate::CliError;
use crate::args::{ClusterCommand, TemplateCommand};
use crate::output::{Cell, Column, Output, Style, Table};

/// The longest file with credentials, in bytes.
const CREDENTIALS_MAX: u64 = 256 << 10;

pub(super) async fn run(
    client: &Client,
    command: ClusterCommand,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    match command {
        ClusterCommand::List => {
            let clusters: Vec<ClusterObject> = all(client, "/clusters").await?;
            let well = clusters
                .iter()
                .all(|c| c.status.reachable == Reachable::True);
            output.show(&clusters, |clusters| vec![table(clusters)])?;
            Ok(u8::from(!well))
        }
        ClusterCommand::Show { cluster } => {
            let cluster: ClusterObject = client.get(&format!("/clusters/{cluster}")).await?;
            output.show(&cluster, |cluster| {
                vec![facts(cluster), table(std::slice::from_ref(cluster))]
            })?;
            Ok(u8::from(cluster.status.reachable != Reachable::True))
        }
        ClusterCommand::Add {
            cluster,
            location,
            kubeconfig,
            token_file,
            ca_file,
            endpoint,
            groups,
        } => {
            let read = |path: Option<std::path::PathBuf>| {
                let text = path.map(|path| {
                    let text = flatnet_files::read_text(&path, CREDENTIALS_MAX);
                    text.map_err(|source| CliError::Read { path, source })
                });
                text.transpose()
            };
            let add = ClusterAdd {
                name: cluster,
                location,
                endpoint,
                credentials: ClusterCredentials {
                    kubeconfig: read(kubeconfig)?,
                    token: read(token_file)?,
                    ca: read(ca_file)?,
                },
                groups: groups.iter().map(|g| group(g)).collect::<Result<_, _>>()?,
            };
            let made: ClusterObject = client.post("/clusters", &add).await?;
            let line = format!(
                "cluster {} is added: {} in location {}",
                made.name, made.spec.endpoint, made.spec.location
            );
            done(output, &made, &line)
        }
        ClusterCommand::Drain { cluster, cancel } => {
            let state = if cancel {
                ClusterState::Active
            } else {
                ClusterState::Draining
            };
            let made = set(client, &cluster, state).await?;
            let line = match cancel {
                true => format!("cluster {cluster} takes instances again"),
                false => format!(
                    "cluster {cluster} takes no new instances; the applications' next releases move theirs away"
                ),
            };
            done(output, &made, &line)
        }
        ClusterCommand::Lost { cluster, confirm } => {
            if confirm != cluster {
                return Err(CliError::NotConfirmed { name: cluster });
            }
            let made = set(client, &cluster, ClusterState::Lost).await?;
            done(
                output,
                &made,
                &format!("cluster {cluster} counts as gone: its instances are raised elsewhere"),
            )
        }
        ClusterCommand::RegistryPassword { cluster } => {
            let made: RegistryPassword = client
                .post(
                    &format!("/clusters/{cluster}/registry-password"),
                    &serde_json::json!({}),
                )
                .await?;
            let line = format!(
                "user {}\npassword {}\nvalid until {}; it is not shown again",
                made.user, made.password, made.expires
            );
            done(output, &made, &line)
        }
        ClusterCommand::Remove { cluster } => {
            client.delete(&format!("/clusters/{cluster}")).await?;
            done(
                output,
                &json!({"removed": cluster}),
                &format!("cluster {cluster} is removed"),
            )
        }
    }
}

async fn set(
    client: &Client,
    cluster: &str,
    state: ClusterState,
) -> Result<ClusterObject, CliError> {
    let update = ClusterUpdate {
        state: Some(state),
        ..ClusterUpdate::default()
    };
    Ok(client
        .patch(&format!("/clusters/{cluster}"), &update)
        .await?)
}

/// `NAME:LABEL=VALUE,LABEL=VALUE`.
fn group(text: &str) -> Result<NodeGroup, CliError> {
    let wrong = || CliError::NoGroup {
        text: text.to_owned(),
    };
    let (name, labels) = text.split_once(':').ok_or_else(wrong)?;
    let label = |pair: &str| {
        let (key, value) = pair.split_once('=').ok_or_else(wrong)?;
        Ok((key.to_owned(), value.to_owned()))
    };
    let labels = labels.split(',').filter(|pair| !pair.is_empty()).map(label);
    Ok(NodeGroup {
        name: name.to_owned(),
        node_selector: labels.collect::<Result<BTreeMap<_, _>, CliError>>()?,
        exclusive_for: None,
    })
}

fn reachable(reachable: Reachable) -> Cell {
    match reachable {
        Reachable::True => Cell::styled("True", Style::Good),
        Reachable::False => Cell::styled("False", Style::Bad),
        Reachable::Unknown => Cell::styled("Unknown", Style::Warn),
    }
}

fn facts(cluster: &ClusterObject) -> Table {
    let status = &cluster.status;
    let mut table = Table::new([Column::text("CLUSTER"), Column::text("").wrapped()]);
    let seen = status
        .last_seen
        .map(|at| at.to_string())
        .unwrap_or_default();
    for (name, value) in [
        ("endpoint", cluster.spec.endpoint.clone()),
        (
            "credentials",
            format!(
                "Secret {}/{}",
                cluster.spec.credentials.namespace, cluster.spec.credentials.name
            ),
        ),
        ("last seen", seen),
        ("message", status.message.clone().unwrap_or_default()),
    ] {
        if !value.is_empty() {
            table.row([name.into(), value.into()]);
        }
    }
    table
}

/// A row for each group of each cluster.
fn table(clusters: &[ClusterObject]) -> Table {
    let columns = [
        Column::text("CLUSTER"),
        Column::text("LOCATION"),
        Column::text("STATE"),
        Column::text("REACHABLE"),
        Column::text("VERSION").wide(),
        Column::text("GROUP"),
        Column::number("NODES"),
        Column::number("CPU"),
        Column::number("MEMORY"),
        Column::number("PODS"),
        Column::number("ADDRESSES"),
    ];
    let mut table = Table::new(columns);
    for cluster in clusters {
        let status = &cluster.status;
        let state = format!("{:?}", cluster.spec.state.unwrap_or_default());
        let head = |group: &str| -> Vec<Cell> {
            vec![
                cluster.name.as_str().into(),
                cluster.spec.location.as_str().into(),
                state.as_str().into(),
                reachable(status.reachable),
                status.version.clone().unwrap_or_default().into(),
                group.into(),
            ]
        };
        if status.headroom.is_empty() {
            let mut row = head("");
            row.extend((0..5).map(|_| Cell::default()));
            table.row(row);
        }
        for free in &status.headroom {
            let mut row = head(&free.group);
            row.extend([
                free.nodes.into(),
                cpus(free.cpu_millis).into(),
                bytes(free.memory_bytes).into(),
                free.pods.into(),
                free.addresses.into(),
            ]);
            table.row(row);
        }
        if let Some(message) = &status.message {
            table.note(format!("{}: {message}", cluster.name));
        }
    }
    table
}

/// `7.5` of thousandths.
fn cpus(millis: u64) -> String {
    match millis % 1_000 {
        0 => (millis / 1_000).to_string(),
        part => format!("{}.{}", millis / 1_000, part / 100),
    }
}

/// `15Gi`, as Kubernetes writes it.
fn bytes(bytes: u64) -> String {
    for (unit, size) in [("Ti", 1_u64 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20)] {
        if bytes >= size {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

pub(super) async fn template(
    client: &Client,
    command: TemplateCommand,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    match command {
        TemplateCommand::List => {
            let templates: Vec<TemplateObject> = all(client, "/templates").await?;
            output.show(&templates, |templates| {
                let columns = [
                    Column::text("TEMPLATE"),
                    Column::number("VERSION"),
                    Column::text("MADE"),
                    Column::text("BASE").flexible(),
                ];
                let mut table = Table::new(columns);
                for template in templates {
                    table.row([
                        template.spec.name.as_str().into(),
                        template.spec.version.into(),
                        template
                            .created
                            .map(|at| at.to_string())
                            .unwrap_or_default()
                            .into(),
                        template.spec.base_image.clone().unwrap_or_default().into(),
                    ]);
                }
                vec![table]
            })?;
            Ok(0)
        }
        TemplateCommand::Add { file } => {
            let spec = document(&file)?;
            let made: TemplateObject = client.post("/templates", &json!({"spec": spec})).await?;
            let line = format!(
                "template {}, version {}, is made",
                made.spec.name, made.spec.version
            );
            done(output, &made, &line)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_its_name_and_labels() {
        let read = group("mixed:pool=mixed,zone=a").expect("a group");
        assert_eq!(read.name, "mixed");
        assert_eq!(read.node_selector.len(), 2);
        assert!(group("mixed").is_err() && group("mixed:pool").is_err());
        assert_eq!(
            (cpus(7_500), cpus(2_000), bytes(15 << 30)),
            ("7.5".to_owned(), "2".to_owned(), "15Gi".to_owned())
        );
    }
}
