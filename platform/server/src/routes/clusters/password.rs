//! The password with which a cluster's nodes pull images.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use flatnet_platform_types::Span;
use flatnet_platform_types::api::{Code, FieldChange, Problem, RegistryPassword};

use super::find;
use crate::caller::Caller;
use crate::context::{Context, Intent, now};
use crate::problem::{Refusal, Reply};
use crate::rights::Act;

/// For how many seconds it is valid: a year.
const LIFE: u64 = 365 * 86_400;

/// Makes a password for a cluster's nodes, to be put into their runtime's configuration or a pull Secret. It is shown once, and
/// pulls nothing any more when the cluster is removed here.
#[utoipa::path(post, path = "/clusters/{cluster}/registry-password", tag = "clusters", params(("cluster" = String, Path)),
    responses((status = 200, body = RegistryPassword), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
pub(in crate::routes) async fn make(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Reply<Json<RegistryPassword>> {
    let act = Act::new("update", "clusters").on(&name);
    context.demand(&caller, act).await?;
    find(&context, &name)?;
    let Some(registry) = &context.registry else {
        return Err(Refusal::new(
            Code::WrongState,
            "this server gives no tokens of a registry",
        )
        .hint("platformd serve --registry HOST[:PORT]"));
    };
    let intent = Intent {
        action: "cluster.registry-password",
        team: None,
        object: format!("clusters/{name}"),
        difference: vec![FieldChange {
            field: "registryPassword".to_owned(),
            from: None,
            to: Some("a new one".into()),
        }],
    };
    let made = context.change(
        &caller,
        intent,
        std::future::ready(registry.cluster_password(&name, now().after(Span::seconds(LIFE)))),
    );
    let (password, credential) = made.await?;
    Ok(Json(RegistryPassword {
        user: credential.holder.to_string(),
        password,
        expires: credential.expires,
    }))
}
