//! An application's Service in a member: its ports are those of `discovery`, its endpoints the pods that are Ready, which
//! they are only in service. Pure.

use flatnet_platform_types::kinds::AppSpec;
use flatnet_platform_watch::seen::{APP_LABEL, EPOCH, ServiceSeen};
use serde_json::{Value, json};

use crate::request::{Kind, Request, Writer, namespace};

/// The ports that an application's Service has, in order; none for no Service.
fn ports(app: &AppSpec) -> Vec<u16> {
    let mut ports: Vec<u16> = app
        .discovery
        .iter()
        .filter_map(|d| d.service_port)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The requests by which a member has the Service that the application wants; none where it has.
pub(crate) fn requests(
    writer: &Writer<'_>,
    app: &AppSpec,
    seen: Option<&ServiceSeen>,
) -> Vec<Request> {
    let (ports, key) = (ports(app), writer.app.clone());
    let spec = |ports: &[u16]| -> Value {
        let port = |p: &u16| json!({"name": format!("port-{p}"), "port": p, "targetPort": p, "protocol": "TCP"});
        json!({
            "ports": ports.iter().map(port).collect::<Vec<_>>(),
            "selector": {APP_LABEL: key.name},
        })
    };
    match seen {
        None if ports.is_empty() => Vec::new(),
        None => {
            let mut spec = spec(&ports);
            spec["ipFamilyPolicy"] = json!("PreferDualStack");
            let object = json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {
                    "namespace": key.namespace, "name": key.name, "labels": {APP_LABEL: key.name},
                    "annotations": {EPOCH: writer.epoch.to_string()},
                },
                "spec": spec,
            });
            let create = Request::Create {
                kind: Kind::Service,
                key: key.clone(),
                object,
            };
            vec![namespace(&key.namespace), create]
        }
        Some(seen) if ports.is_empty() => vec![Request::Delete {
            kind: Kind::Service,
            key: key.clone(),
            version: seen.version.clone(),
        }],
        Some(seen) if seen.is_ours && seen.ports == ports => Vec::new(),
        Some(seen) => {
            let patch = json!({"spec": spec(&ports)});
            vec![writer.patch(Kind::Service, key.clone(), &seen.version, patch)]
        }
    }
}

#[cfg(test)]
mod tests {
    use flatnet_platform_types::Moment;
    use flatnet_platform_watch::Key;

    use super::*;

    fn app(ports: &[u16]) -> AppSpec {
        let discovery: Vec<Value> = ports.iter().map(|p| json!({"servicePort": p})).collect();
        serde_json::from_value(json!({
            "repo": "r", "team": "t", "template": {"name": "plain", "version": 1}, "replicas": 1,
            "placement": {"locations": [{"name": "one"}]}, "discovery": discovery,
        }))
        .expect("an application")
    }

    fn asked(app: &AppSpec, seen: Option<&ServiceSeen>) -> Vec<Request> {
        let key = Key::new("shop", "web");
        let writer = Writer {
            app: &key,
            epoch: 7,
            now: Moment::from_millis(0),
            fence: None,
        };
        requests(&writer, app, seen)
    }

    #[test]
    fn a_service_is_made_kept_changed_and_taken_away() {
        assert_eq!(asked(&app(&[]), None), []);
        let made = asked(&app(&[8080, 80, 80]), None);
        let [_, Request::Create { object, .. }] = &made[..] else {
            panic!("a namespace and a Service");
        };
        let seen = serde_json::from_value(object.clone()).expect("a Service");
        let mut seen = ServiceSeen::of(&seen).expect("it is the application's");
        seen.version = "5".to_owned();
        assert_eq!(
            (seen.ports.as_slice(), seen.is_ours),
            (&[80, 8080][..], true)
        );
        assert_eq!(asked(&app(&[80, 8080]), Some(&seen)), []);
        let [Request::Patch { patch, .. }] = &asked(&app(&[81]), Some(&seen))[..] else {
            panic!("one patch");
        };
        assert_eq!(patch["metadata"]["resourceVersion"], "5");
        assert_eq!(patch["spec"]["ports"][0]["port"], 81);
        let gone = asked(&app(&[]), Some(&seen));
        assert!(matches!(gone[..], [Request::Delete { .. }]));
        // A selector that somebody changed is put right.
        seen.is_ours = false;
        assert_eq!(asked(&app(&[80, 8080]), Some(&seen)).len(), 1);
    }
}
