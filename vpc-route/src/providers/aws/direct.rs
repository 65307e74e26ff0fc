//! The provider and the region by themselves, and two clouds in one configuration.

use std::sync::Arc;

use super::api::Answer;
use super::fake::{Fault, Region};
use super::provider::Ec2;
use super::tests::{TABLE, prefix, state};
use crate::config::{Config, ConfigError};
use crate::diff::{CreateReason, Op};
use crate::model::{Entry, NextHopKind, NextHops, Table};
use crate::providers::{ErrorKind, Failure, Provider, TableScope};

#[tokio::test]
async fn a_listing_that_fails_in_passing_is_transient_and_never_ambiguous() {
    let region = Region::set_up("passing", state(1));
    let ec2 = Ec2::new(Arc::clone(&region), "lab".parse().unwrap(), None);
    for fault in [Fault::CutBefore, Fault::Refuse("Unavailable", 503)] {
        region.state().list_faults.push_back(fault);
        let error = ec2.list(&TableScope::of_vpc(TABLE)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Transient, "{fault:?}");
    }
}

#[tokio::test]
async fn the_provider_writes_the_right_parameters_and_takes_nothing_over() {
    let region = Region::set_up("direct", state(4));
    let ec2 = Ec2::new(region, "lab".parse().unwrap(), None);
    let mut scope = TableScope::of_vpc(TABLE);
    scope.pools = vec![prefix("172.30.0.0/16")];
    let create = |destination: &str, kind, id: &str| Op::Create {
        destination: prefix(destination),
        next_hops: NextHops::one(kind, id),
        name: String::new(),
        why: CreateReason::New,
    };
    let first = create("172.30.0.0/24", NextHopKind::Instance, "i-0");
    // Not before it was listed: whose the table is, only a listing tells.
    assert!(
        ec2.write(&scope, std::slice::from_ref(&first))
            .await
            .is_err()
    );
    ec2.list(&scope).await.unwrap();
    assert_eq!(
        ec2.write(&scope, std::slice::from_ref(&first))
            .await
            .unwrap(),
        []
    );
    let again: Vec<Failure> = ec2.write(&scope, &[first]).await.unwrap();
    assert!(again[0].retryable && again[0].code == "RouteAlreadyExists");
    let line = create("172.31.0.0/16", NextHopKind::RouterInterface, "vgw-1");
    assert_eq!(ec2.write(&scope, &[line]).await.unwrap(), []);
    let listed: Table = ec2.list(&scope).await.unwrap();
    let managed = |e: &&Entry| e.name.starts_with("flatnet:lab:0:");
    let managed: Vec<_> = listed.entries.iter().filter(managed).collect();
    // 172.31.0.0/16 is outside of the pools of this scope.
    assert_eq!(managed.len(), 1);
    let error = ec2.rename(&scope, managed[0], "x").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::EntryRejected { .. }));
}

#[tokio::test]
async fn the_region_refuses_what_the_api_refuses() {
    let region = Region::set_up("judge", state(1));
    let base = [
        ("RouteTableId", TABLE),
        ("DestinationCidrBlock", "172.30.0.0/24"),
    ];
    type Case<'a> = (&'static str, &'a [(&'static str, &'a str)], &'a str);
    let cases: [Case<'_>; 9] = [
        ("CreateRoutes", &[], "InvalidAction"),
        ("CreateRoute", &[], "InvalidParameterCombination"),
        (
            "CreateRoute",
            &[("InstanceId", "i-0"), ("GatewayId", "vgw-1")],
            "InvalidParameterCombination",
        ),
        (
            "CreateRoute",
            &[("InstanceId", "i-0"), ("Name", "x")],
            "UnknownParameter",
        ),
        (
            "CreateRoute",
            &[("InstanceId", "i-none")],
            "InvalidInstanceID.NotFound",
        ),
        (
            "CreateRoute",
            &[
                ("InstanceId", "i-0"),
                ("DestinationIpv6CidrBlock", "fd30::/64"),
            ],
            "InvalidParameterCombination",
        ),
        (
            "DeleteRoute",
            &[("InstanceId", "i-0")],
            "InvalidParameterCombination",
        ),
        ("DeleteRoute", &[], "InvalidRoute.NotFound"),
        (
            "ReplaceRoute",
            &[("InstanceId", "i-0")],
            "InvalidParameterValue",
        ),
    ];
    for (action, more, code) in cases {
        let with = base.iter().chain(more).map(|(k, v)| (*k, (*v).to_owned()));
        let error = region.call(action, &with.collect()).await.unwrap_err();
        assert_eq!(error.code(), code, "{action} {more:?}");
    }
    let create = |destination: &str| {
        let with = [
            ("RouteTableId", TABLE),
            ("DestinationCidrBlock", destination),
            ("InstanceId", "i-0"),
        ];
        with.map(|(k, v)| (k, v.to_owned())).to_vec()
    };
    let inside = region.call("CreateRoute", &create("10.1.3.0/24")).await;
    assert_eq!(inside.unwrap_err().code(), "InvalidParameterValue");
    let made = region.call("CreateRoute", &create("172.30.0.0/24")).await;
    assert_eq!(made, Ok(Answer::Done));
    let over = region.call("CreateRoute", &create("172.30.1.0/24")).await;
    assert_eq!(over.unwrap_err().code(), "RouteLimitExceeded");
}

#[test]
fn two_clouds_in_one_configuration_are_an_error_with_both_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.yml");
    let head = "cluster: lab\nplan: /plan.yml\naws: {region: none}\n";
    let read = |more: &str| {
        std::fs::write(&path, format!("{head}{more}")).unwrap();
        Config::read(&path).unwrap_err()
    };
    let error = read("lease: {file: /x}\naws: {region: none}\n");
    assert!(matches!(error, ConfigError::Form { .. }), "{error}");
    let error = anyhow::Error::from(read("bogus: 1\n"));
    let said = format!("{error:#}");
    assert!(
        said.contains("c.yml:4") && said.contains("`bogus`"),
        "{said}"
    );
    assert!(said.contains("`aws`"), "{said}");
    let second = crate::providers::registry::cloud_keys()[0];
    let error = read(&format!("{second}: {{region: r}}\n")).to_string();
    assert!(
        error.ends_with("one vpc-route keeps the tables of one cloud"),
        "{error}"
    );
    assert!(error.contains("`aws`") && error.contains(second), "{error}");
}
