//! The gate `addresses`: every subscriber that is waited for has acknowledged AddressSets with the new instances.

use std::time::Duration;

use flatnet_platform_types::kinds::Verdict;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::subjects::{Subjects, Target};

/// How long an API server may take.
const READ: Duration = Duration::from_secs(10);

/// Asks every cluster with new instances. Nothing here is a failure of the release: it waits.
pub(super) async fn ask(subjects: &Subjects, named: &[String]) -> (Verdict, String) {
    let mut counted = 0;
    for (cluster, client) in &subjects.clients {
        let sets = match read(client, &subjects.app.namespace).await {
            Ok(sets) => sets,
            Err(why) => return (Verdict::Unknown, format!("cluster {cluster}: {why}")),
        };
        let new = || subjects.new.iter().filter(|t| t.cluster == *cluster);
        match open(&sets, named, &new().collect::<Vec<_>>()) {
            Ok(count) => counted += count,
            Err(why) => return (Verdict::Unknown, format!("cluster {cluster}: {why}")),
        }
    }
    let why = match counted {
        0 => "no AddressSet has or awaits them".to_owned(),
        _ => format!("{counted} AddressSets have them, acknowledged by all who are waited for"),
    };
    (Verdict::Pass, why)
}

async fn read(client: &Client, namespace: &str) -> Result<Vec<(String, Value)>, String> {
    let kind = GroupVersionKind::gvk("flatnet.io", "v1alpha1", "AddressSet");
    let kind = ApiResource::from_gvk_with_plural(&kind, "addresssets");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
    let listed = tokio::time::timeout(READ, api.list(&ListParams::default())).await;
    match listed {
        Ok(Ok(list)) => Ok(list.into_iter().map(|o| (o.name_any(), o.data)).collect()),
        Ok(Err(kube::Error::Api(status))) => {
            Err(format!("AddressSets cannot be read: {}", status.message))
        }
        Ok(Err(error)) => Err(format!("AddressSets cannot be read: {error}")),
        Err(_) => Err(format!("AddressSets cannot be read within {READ:?}")),
    }
}

/// How many sets have the instances' addresses, acknowledged; why not yet.
fn open(sets: &[(String, Value)], named: &[String], new: &[&Target]) -> Result<usize, String> {
    if let Some(missing) = named.iter().find(|n| sets.iter().all(|(s, _)| s != *n)) {
        return Err(format!("there is no AddressSet {missing:?}"));
    }
    let mut counted = 0;
    for (name, set) in sets {
        let status = &set["status"];
        let has = |address: &String| {
            let mut all = status["addresses"].as_array().into_iter().flatten();
            all.any(|a| a == address)
        };
        let wants = |address: &String| {
            let mut families = set["spec"]["families"]
                .as_array()
                .into_iter()
                .flatten()
                .peekable();
            let family = if address.contains(':') {
                "IPv6"
            } else {
                "IPv4"
            };
            families.peek().is_none() || families.any(|f| f == family)
        };
        let addresses = || new.iter().flat_map(|t| &t.addresses);
        let is_named = named.contains(name);
        if !is_named && !addresses().any(has) {
            continue;
        }
        if let Some(absent) = addresses().find(|a| is_named && wants(a) && !has(a)) {
            return Err(format!("AddressSet {name} has no {absent} yet"));
        }
        let generation = status["generation"].as_i64().unwrap_or(0);
        let behind = |s: &&Value| {
            s["awaited"] == true && s["acknowledged"].as_i64().unwrap_or(0) < generation
        };
        let mut subscribers = status["subscribers"].as_array().into_iter().flatten();
        if let Some(subscriber) = subscribers.find(behind) {
            let who = subscriber["name"].as_str().unwrap_or_default();
            return Err(format!(
                "AddressSet {name}: {who} has not acknowledged generation {generation}"
            ));
        }
        counted += 1;
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_is_waited_for_until_it_has_the_address_and_the_awaited_have_its_generation() {
        let target = Target {
            cluster: "one".to_owned(),
            pod: "p".to_owned(),
            node: None,
            addresses: vec!["10.0.0.1".to_owned(), "fd00::1".to_owned()],
            port: None,
        };
        let set = |addresses: &[&str], acknowledged: i64, awaited: bool| {
            let set = json!({"spec": {"families": ["IPv4"]}, "status": {
                "addresses": addresses, "generation": 7,
                "subscribers": [{"name": "db", "awaited": awaited, "acknowledged": acknowledged}]}});
            vec![("db".to_owned(), set)]
        };
        let named = ["db".to_owned()];
        let says = |sets: &[(String, Value)], named: &[String]| open(sets, named, &[&target]);
        assert_eq!(says(&set(&["10.0.0.1"], 7, true), &named), Ok(1));
        assert_eq!(says(&set(&["10.0.0.1"], 6, false), &named), Ok(1));
        let behind = says(&set(&["10.0.0.1"], 6, true), &[]).expect_err("it waits");
        assert_eq!(
            behind,
            "AddressSet db: db has not acknowledged generation 7"
        );
        let absent = says(&set(&[], 7, true), &named).expect_err("it waits");
        assert_eq!(absent, "AddressSet db has no 10.0.0.1 yet");
        // One that selects other pods is nobody's business.
        assert_eq!(says(&set(&[], 6, true), &[]), Ok(0));
        assert!(says(&[], &named).is_err());
    }
}
