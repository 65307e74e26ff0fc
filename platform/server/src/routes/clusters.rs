//! Member clusters: added with credentials that are tried first, drained, removed once nothing is in them.

mod password;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use flatnet_daemon::causes::chain;
use flatnet_platform_types::api::{
    ClusterAdd, ClusterCredentials, ClusterObject, ClusterUpdate, Code, Page, Problem, difference,
};
use flatnet_platform_types::kinds::{Cluster, ClusterSpec, ClusterState, SecretRef};
use flatnet_platform_watch::Key;
use flatnet_platform_watch::way::{Credentials, client};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, PostParams};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{PageQuery, Query, page};
use crate::caller::Caller;
use crate::context::{Context, Intent};
use crate::problem::{Refusal, Reply};
use crate::rights::Act;
use crate::{body, members, objects};

/// The label of a Secret that was made for a cluster, and goes with it.
const OF_CLUSTER: &str = "platform.flatnet.io/cluster";
/// How long a cluster that is added may take to answer.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, update, remove))
        .routes(routes!(password::make))
}

/// Clusters with their reachability and what is free in them, by name.
#[utoipa::path(get, path = "/clusters", tag = "clusters", params(PageQuery),
    responses((status = 200, body = Page<ClusterObject>), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Reply<Json<Page<ClusterObject>>> {
    context
        .demand(&caller, Act::new("list", "clusters"))
        .await?;
    let objects = context.projection.read();
    let found = page(
        objects.hub.clusters.iter(),
        |c| c.name_any(),
        query.limit,
        query.after.as_deref(),
    )?;
    Ok(Json(Page {
        items: found.items.into_iter().map(objects::cluster).collect(),
        next: found.next,
    }))
}

fn find(context: &Context, name: &str) -> Reply<Cluster> {
    let cluster = context
        .projection
        .read()
        .hub
        .clusters
        .get(&Key::new("", name))
        .cloned();
    cluster.ok_or_else(|| {
        Refusal::not_found(&format!("cluster {name:?}"))
            .hint("`flatctl cluster list` shows what there is")
    })
}

/// A cluster.
#[utoipa::path(get, path = "/clusters/{cluster}", tag = "clusters", params(("cluster" = String, Path)),
    responses((status = 200, body = ClusterObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Reply<Json<ClusterObject>> {
    context
        .demand(&caller, Act::new("get", "clusters").on(&name))
        .await?;
    Ok(Json(objects::cluster(&find(&context, &name)?)))
}

/// The Secret with a cluster's credentials, and the endpoint, after they were tried.
async fn tried(
    context: &Context,
    name: &str,
    endpoint: Option<&str>,
    given: &ClusterCredentials,
) -> Reply<(Secret, String)> {
    let bytes = |text: &Option<String>| text.as_ref().map(|t| ByteString(t.clone().into_bytes()));
    let credentials = Credentials {
        kubeconfig: given.kubeconfig.as_deref().map(str::as_bytes),
        token: given.token.as_deref().map(str::as_bytes),
        ca: given.ca.as_deref().map(str::as_bytes),
    };
    let invalid = |why: String| {
        Refusal::new(
            Code::Invalid,
            format!("the credentials of cluster {name} are of no use: {why}"),
        )
    };
    let config = credentials
        .config(
            endpoint.unwrap_or_default(),
            &format!("{}/cluster-{name}", context.namespace),
        )
        .await;
    let config = config.map_err(|e| invalid(chain(&e)).field("credentials", "cannot be used"))?;
    let url = config.cluster_url.to_string();
    let endpoint = url.trim_end_matches('/').to_owned();
    let failed = |why: String| {
        Refusal::new(Code::MemberFailed, format!("cluster {name} at {endpoint} was asked with these credentials: {why}"))
            .hint("nothing was kept; it has to be reachable from platformd, and deploy/platform/member.yaml has to be applied there")
    };
    let client = client(&config, ANSWER).map_err(|e| failed(chain(&e)))?;
    // Nodes are what the controller reads first; a version alone is told to anybody.
    let nodes = Api::<k8s_openapi::api::core::v1::Node>::all(client);
    let asked = tokio::time::timeout(
        ANSWER,
        nodes.list(&kube::api::ListParams::default().limit(1)),
    )
    .await;
    match asked {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(failed(chain(&error))),
        Err(_) => return Err(failed(format!("no answer within {} s", ANSWER.as_secs()))),
    }
    let keys = [
        ("kubeconfig", bytes(&given.kubeconfig)),
        ("token", bytes(&given.token)),
        ("ca.crt", bytes(&given.ca)),
    ];
    let mut secret = Secret::default();
    secret.metadata.name = Some(format!("cluster-{name}"));
    secret.metadata.labels = Some([(OF_CLUSTER.to_owned(), name.to_owned())].into());
    let data = keys
        .into_iter()
        .filter_map(|(key, bytes)| Some((key.to_owned(), bytes?)));
    secret.data = Some(data.collect());
    Ok((secret, endpoint))
}

/// Adds a cluster. Its credentials are tried before anything is kept.
#[utoipa::path(post, path = "/clusters", tag = "clusters", request_body = ClusterAdd,
    responses((status = 201, body = ClusterObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn add(
    State(context): State<Arc<Context>>,
    caller: Caller,
    body: body::Json<ClusterAdd>,
) -> Reply<(StatusCode, Json<ClusterObject>)> {
    let add = body.value;
    context
        .demand(&caller, Act::new("create", "clusters").on(&add.name))
        .await?;
    if !objects::is_name(&add.name) {
        return Err(Refusal::new(
            Code::Invalid,
            format!("{:?} is no name of a cluster", add.name),
        )
        .field("name", "no name"));
    }
    let (secret, endpoint) = tried(
        &context,
        &add.name,
        add.endpoint.as_deref(),
        &add.credentials,
    )
    .await?;
    let spec = ClusterSpec {
        endpoint,
        credentials: SecretRef {
            namespace: context.namespace.clone(),
            name: secret.name_any(),
        },
        location: add.location,
        state: None,
        groups: add.groups,
    };
    let intent = Intent {
        action: "cluster.add",
        team: None,
        object: format!("clusters/{}", add.name),
        difference: difference(None, &spec),
    };
    let cluster = Cluster::new(&add.name, spec);
    let secrets: Api<Secret> = Api::namespaced(context.hub.clone(), &context.namespace);
    let clusters: Api<Cluster> = Api::all(context.hub.clone());
    let made = context
        .change(&caller, intent, async {
            let attempt = format!("add cluster {}", add.name);
            // First without the Secret: what a rule refuses leaves nothing behind.
            let dry = PostParams {
                dry_run: true,
                ..PostParams::default()
            };
            let tried = clusters.create(&dry, &cluster).await;
            tried.map_err(|e| Refusal::of_hub(&attempt, &e))?;
            keep(&secrets, &secret)
                .await
                .map_err(|e| Refusal::of_hub(&attempt, &e))?;
            let made = clusters.create(&PostParams::default(), &cluster).await;
            made.map_err(|e| Refusal::of_hub(&attempt, &e))
        })
        .await?;
    let told = objects::cluster(&made);
    context
        .projection
        .wrote(|objects| objects.hub.clusters.wrote(made));
    Ok((StatusCode::CREATED, Json(told)))
}

/// Makes a cluster's Secret, or gives it another content.
async fn keep(secrets: &Api<Secret>, secret: &Secret) -> kube::Result<()> {
    let name = secret.name_any();
    match secrets.create(&PostParams::default(), secret).await {
        Err(kube::Error::Api(s)) if s.code == 409 => {
            // What is not in the new one, such as a token beside a kubeconfig, is not to stay.
            let mut now = secrets.get(&name).await?;
            now.data.clone_from(&secret.data);
            secrets
                .replace(&name, &PostParams::default(), &now)
                .await
                .map(drop)
        }
        made => made.map(drop),
    }
}

/// Changes a cluster: drains it, gives it up for lost, takes it back, changes its groups or credentials.
#[utoipa::path(patch, path = "/clusters/{cluster}", tag = "clusters", request_body = ClusterUpdate, params(("cluster" = String, Path)),
    responses((status = 200, body = ClusterObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn update(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(name): Path<String>,
    body: body::Json<ClusterUpdate>,
) -> Reply<Json<ClusterObject>> {
    context
        .demand(&caller, Act::new("update", "clusters").on(&name))
        .await?;
    let update = body.value;
    let before = find(&context, &name)?;
    let secret = match &update.credentials {
        None => None,
        Some(given) => Some(tried(&context, &name, Some(&before.spec.endpoint), given).await?),
    };
    let mut spec = before.spec.clone();
    if let Some(state) = update.state {
        spec.state = Some(state);
    }
    if let Some(groups) = update.groups {
        spec.groups = groups;
    }
    if let Some((_, endpoint)) = &secret {
        spec.endpoint.clone_from(endpoint);
    }
    let mut difference = difference(Some(&before.spec), &spec);
    if secret.is_some() {
        difference.push(flatnet_platform_types::api::FieldChange {
            field: "credentials".to_owned(),
            from: None,
            to: Some("others".into()),
        });
    }
    let intent = Intent {
        action: "cluster.update",
        team: None,
        object: format!("clusters/{name}"),
        difference,
    };
    let secrets: Api<Secret> =
        Api::namespaced(context.hub.clone(), &before.spec.credentials.namespace);
    let clusters: Api<Cluster> = Api::all(context.hub.clone());
    let made = context
        .change(&caller, intent, async {
            let attempt = format!("change cluster {name}");
            let change = |cluster: &mut Cluster| cluster.spec.clone_from(&spec);
            let version = update.resource_version.as_deref();
            let made = objects::change_wanted(&clusters, &name, version, &attempt, change).await?;
            if let Some((mut secret, _)) = secret {
                secret.metadata.name = Some(before.spec.credentials.name.clone());
                keep(&secrets, &secret)
                    .await
                    .map_err(|e| Refusal::of_hub(&attempt, &e))?;
            }
            Ok(made)
        })
        .await?;
    let told = objects::cluster(&made);
    context
        .projection
        .wrote(|objects| objects.hub.clusters.wrote(made));
    Ok(Json(told))
}

/// Removes a cluster in which there is no instance; one that is given up for lost is removed as it is.
#[utoipa::path(delete, path = "/clusters/{cluster}", tag = "clusters", params(("cluster" = String, Path)),
    responses((status = 204), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn remove(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Reply<StatusCode> {
    context
        .demand(&caller, Act::new("delete", "clusters").on(&name))
        .await?;
    let cluster = find(&context, &name)?;
    if cluster.spec.state != Some(ClusterState::Lost) {
        empty(&context, &name, &cluster).await?;
    }
    let intent = Intent {
        action: "cluster.remove",
        team: None,
        object: format!("clusters/{name}"),
        difference: Vec::new(),
    };
    let at = cluster.spec.credentials.clone();
    let secrets: Api<Secret> = Api::namespaced(context.hub.clone(), &at.namespace);
    let clusters: Api<Cluster> = Api::all(context.hub.clone());
    context
        .change(&caller, intent, async {
            let gone = clusters.delete(&name, &DeleteParams::default()).await;
            gone.map_err(|e| Refusal::of_hub(&format!("remove cluster {name}"), &e))?;
            // One that somebody made by hand is theirs.
            let ours = secrets.get_opt(&at.name).await.ok().flatten();
            if ours.is_some_and(|s| s.labels().contains_key(OF_CLUSTER))
                && let Err(error) = secrets.delete(&at.name, &DeleteParams::default()).await
            {
                tracing::warn!(
                    secret = at.name,
                    error = chain(&error),
                    "a removed cluster's Secret is left"
                );
            }
            Ok(())
        })
        .await?;
    context
        .projection
        .wrote(|objects| objects.hub.clusters.gone(&Key::new("", &name)));
    Ok(StatusCode::NO_CONTENT)
}

/// That nothing of ours is in a cluster.
async fn empty(context: &Context, name: &str, cluster: &Cluster) -> Reply<()> {
    let of = [(name.to_owned(), cluster.spec.clone())];
    let (seen, unread) = members::looks(&context.hub, &of).await;
    if let Some(unread) = unread.first() {
        return Err(Refusal::new(
            Code::WrongState,
            format!(
                "cluster {name} does not answer, so that it is unknown what is in it: {}",
                unread.reason
            ),
        )
        .hint(format!(
            "if it is gone for good: `flatctl cluster lost {name}`, and remove it then"
        )));
    }
    let pods = seen
        .values()
        .flat_map(|m| m.pods.iter())
        .filter(|p| p.app.is_some());
    let apps: std::collections::BTreeSet<String> = pods
        .filter_map(|p| Some(format!("{}/{}", p.key.namespace, p.app.as_ref()?)))
        .collect();
    if apps.is_empty() {
        return Ok(());
    }
    let some: Vec<&str> = apps.iter().take(5).map(String::as_str).collect();
    Err(Refusal::new(
        Code::WrongState,
        format!(
            "cluster {name} has instances of {} applications: {}",
            apps.len(),
            some.join(", ")
        ),
    )
    .hint(format!(
        "`flatctl cluster drain {name}`; their next releases move them away"
    )))
}
