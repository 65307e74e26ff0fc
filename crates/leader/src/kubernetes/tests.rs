use std::time::UNIX_EPOCH;

use flatnet_clock::System;
use serde_json::json;

use super::*;

fn lease() -> Lease {
    serde_json::from_value(json!({
        "metadata": {
            "name": "vpc-route", "namespace": "flatnet", "resourceVersion": "77",
            "labels": {"team": "net"},
        },
        "spec": {
            "holderIdentity": "a_1", "leaseDurationSeconds": 10, "leaseTransitions": 3,
            "acquireTime": "2026-01-02T03:04:05.000006Z",
            "renewTime": "2026-01-02T03:04:06.000007Z",
        },
    }))
    .unwrap()
}

#[test]
fn a_lease_is_read_as_client_go_writes_it() {
    let found = stored(&lease());
    assert_eq!(found.version, "77");
    assert_eq!(found.record.holder, "a_1");
    assert_eq!(found.record.duration, Some(Duration::from_secs(10)));
    assert_eq!(found.record.transitions, 3);
    let acquired = UNIX_EPOCH + Duration::new(1_767_323_045, 6_000);
    assert_eq!(found.record.acquired, Some(acquired));
}

#[test]
fn an_empty_lease_is_free_and_one_with_absurd_numbers_is_no_worse() {
    let found = stored(&Lease::default());
    assert_eq!(found.record, Record::default());
    let mut odd = lease();
    let spec = odd.spec.as_mut().unwrap();
    (spec.lease_duration_seconds, spec.lease_transitions) = (Some(-5), Some(-1));
    let found = stored(&odd);
    assert_eq!((found.record.duration, found.record.transitions), (None, 0));
}

#[test]
fn what_is_written_is_read_back_and_the_rest_stays() {
    let mut changed = lease();
    let record = Record {
        holder: "b_2".into(),
        duration: Some(Duration::from_secs(15)),
        transitions: 4,
        acquired: Some(UNIX_EPOCH + Duration::from_micros(1_500)),
        renewed: Some(UNIX_EPOCH + Duration::from_micros(2_500)),
    };
    fill(changed.spec.as_mut().unwrap(), &record);
    let text = serde_json::to_value(&changed).unwrap();
    assert_eq!(text["spec"]["renewTime"], "1970-01-01T00:00:00.002500Z");
    assert_eq!(text["metadata"]["labels"]["team"], "net");
    let back: Lease = serde_json::from_value(text).unwrap();
    assert_eq!(stored(&back).record, record);
}

#[test]
fn two_processes_of_one_name_are_two() {
    let wanted = KubernetesLease {
        namespace: "flatnet".to_owned().try_into().unwrap(),
        name: "vpc-route".to_owned().try_into().unwrap(),
        kubeconfig: None,
        identity: Some("pod-1".into()),
    };
    let (one, two) = (identity(&wanted, &System), identity(&wanted, &System));
    assert!(one.starts_with("pod-1_") && one != two, "{one} {two}");
}
