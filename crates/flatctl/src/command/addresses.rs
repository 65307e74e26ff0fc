//! `flatctl addresses`: AddressSets as they are, waited for, and followed.

mod follow;
mod show;
mod wait;

use std::path::PathBuf;
use std::sync::Arc;

use flatnet_k8s_client::{Cluster, Key};

use crate::CliError;
use crate::args::{AddressesCommand, SetArgs};
use crate::output::Output;

/// Runs one of them.
pub(super) fn run(command: AddressesCommand, output: &mut Output<'_>) -> Result<u8, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    match command {
        AddressesCommand::List {
            namespace,
            kubeconfig,
        } => {
            let sets = runtime.block_on(async {
                let cluster = Cluster::open(kubeconfig.as_deref()).await?;
                cluster.list_sets(namespace.as_deref()).await
            })?;
            show::list(&sets, output)
        }
        AddressesCommand::Show { set } => {
            let key = key(&set);
            let found = runtime.block_on(async {
                let mut found = Vec::new();
                for cluster in clusters(&set).await? {
                    let set = cluster.get_set(&key).await?;
                    found.push((cluster.server().to_owned(), set));
                }
                Ok::<_, CliError>(found)
            })?;
            show::one(&key, found, output)
        }
        AddressesCommand::Wait {
            set,
            generation,
            has,
            lacks,
            timeout,
        } => {
            let wanted = wait::Wanted {
                generation,
                has,
                lacks,
            };
            runtime.block_on(async {
                let clusters = clusters(&set).await?;
                wait::run(&key(&set), &clusters, &wanted, timeout, output).await
            })
        }
        AddressesCommand::Follow {
            set,
            to,
            reload,
            name,
            state,
        } => {
            let key = key(&set);
            let options = flatnet_subscriber::Options {
                state: state.unwrap_or_else(|| default_state(&key, name.as_deref())),
                set: key,
                name,
                targets: to,
                reload,
                holder: follow::holder(),
            };
            runtime.block_on(async {
                let clusters = clusters(&set).await?;
                follow::run(clusters, options, output).await
            })
        }
    }
}

fn key(set: &SetArgs) -> Key {
    Key {
        namespace: set.namespace.clone(),
        name: set.set.clone(),
    }
}

/// The clusters that are named, none of them twice.
async fn clusters(set: &SetArgs) -> Result<Vec<Arc<Cluster>>, CliError> {
    let mut named: Vec<Option<PathBuf>> = set.kubeconfig.iter().cloned().map(Some).collect();
    if named.is_empty() {
        named.push(None);
    }
    let mut clusters: Vec<Arc<Cluster>> = Vec::new();
    for kubeconfig in named {
        let cluster = Cluster::open(kubeconfig.as_deref()).await?;
        let server = cluster.server();
        if clusters.iter().any(|c| c.server() == server) {
            return Err(CliError::SameCluster {
                server: server.to_owned(),
            });
        }
        clusters.push(Arc::new(cluster));
    }
    Ok(clusters)
}

fn default_state(set: &Key, name: Option<&str>) -> PathBuf {
    let name = name.unwrap_or("unnamed");
    let file = format!("{}.{}.{name}.json", set.namespace, set.name);
    PathBuf::from("/var/lib/flatnet/addresses").join(file)
}
