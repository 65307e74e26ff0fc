//! The second cloud behind the whole controller: configuration, plan, diff and apply are those of
//! every cloud.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::api::{Ec2Error, Route, RouteTable};
use super::fake::{Fault, Region, State};
use super::provider::TAG;
use crate::apply::{ApplyError, Report};
use crate::config::Config;
use crate::controller::{Controller, Outcome, Round, RoundError};
use crate::diff::{Plan, Refusal};
use crate::model::{Generation, Prefix};
use crate::providers::ErrorKind;

pub(super) const TABLE: &str = "rtb-1";

fn table(tag: &str) -> RouteTable {
    let local = |v4: Option<&str>, v6: Option<&str>| Route {
        destination_cidr_block: v4.map(str::to_owned),
        destination_ipv6_cidr_block: v6.map(str::to_owned),
        gateway_id: Some("local".to_owned()),
        origin: "CreateRouteTable".to_owned(),
        ..Route::default()
    };
    RouteTable {
        route_table_id: TABLE.to_owned(),
        tags: vec![
            ("Name".to_owned(), "main".to_owned()),
            (TAG.to_owned(), tag.to_owned()),
        ],
        routes: vec![
            local(Some("10.1.0.0/16"), None),
            local(None, Some("fd01::/56")),
        ],
    }
}

/// A region with one table, four instances and a NAT gateway.
pub(super) fn state(quota: usize) -> State {
    let targets = ["i-0", "i-1", "i-2", "i-3", "nat-1", "vgw-1"];
    State {
        tables: [(TABLE.to_owned(), table("lab"))].into(),
        targets: targets.map(str::to_owned).into(),
        local: ["10.1.0.0/16", "fd01::/56"].map(prefix).to_vec(),
        quota,
        ..State::default()
    }
}

pub(super) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn by_hand(destination: &str, nat: Option<&str>, instance: Option<&str>) -> Route {
    Route {
        destination_cidr_block: Some(destination.to_owned()),
        nat_gateway_id: nat.map(str::to_owned),
        instance_id: instance.map(str::to_owned),
        origin: "CreateRoute".to_owned(),
        ..Route::default()
    }
}

/// A plan of hosts, each with the third byte of its IPv4 range and its instance. Ranges with a
/// gap between two are not aggregated.
fn plan(hosts: &[(u8, &str)]) -> Value {
    let hosts = hosts.iter().enumerate().map(|(i, (n, instance))| {
        json!({"name": format!("node{i}"), "site": "vpc", "vSwitch": "zone",
        "instanceId": instance, "addresses": [format!("10.1.0.{}/24", 10 + i)],
        "uplink": {"interface": "eth0"},
        "ranges": [
            {"network": "pods", "prefix": format!("172.30.{n}.0/24")},
            {"network": "pods", "prefix": format!("fd30:0:0:{n:x}::/64")},
        ]})
    });
    json!({
        "apiVersion": "flatnet.io/v1alpha1", "kind": "NetworkPlan",
        "metadata": {"name": "aws"},
        "spec": {
            "sites": [{"name": "vpc", "type": "VPC", "vpcId": "vpc-1",
                "vSwitches": [{"name": "zone",
                    "subnets": [{"prefix": "10.1.0.0/24", "gateway": "10.1.0.253"}]}],
                "routeTables": [{"name": "main", "id": TABLE, "quota": 4}]}],
            "networks": [{"name": "pods", "site": "vpc",
                "pools": [{"prefix": "172.30.0.0/16"}, {"prefix": "fd30::/48"}]}],
            "hosts": hosts.collect::<Vec<_>>(),
        },
    })
}

/// A region and a controller of it.
struct Site {
    region: std::sync::Arc<Region>,
    controller: Controller,
    directory: TempDir,
}

impl Site {
    fn new(name: &str, state: State) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let region = Region::set_up(name, state);
        let config = json!({
            "cluster": "lab", "plan": directory.path().join("plan.yml"),
            "stateDir": directory.path().join("state"), "socket": null, "graceSeconds": 0,
            "aws": {"region": name},
        });
        let path = directory.path().join("config.yml");
        std::fs::write(&path, config.to_string()).unwrap();
        let config = Config::read(&path).unwrap();
        Self {
            region,
            controller: Controller::new(config, None).unwrap(),
            directory,
        }
    }

    /// One round that leads.
    async fn bring(&self, hosts: &[(u8, &str)]) -> Outcome {
        let path = self.directory.path().join("plan.yml");
        std::fs::write(path, plan(hosts).to_string()).unwrap();
        let round = Round {
            leads: Some(&|| true),
            generation: Generation(1),
            allow_mass_delete: true,
            limit: None,
        };
        let outcomes = self.controller.round(&round).await.unwrap();
        let [outcome] = <[Outcome; 1]>::try_from(outcomes).unwrap();
        outcome
    }

    /// One round that does all that it plans.
    async fn bring_whole(&self, hosts: &[(u8, &str)]) -> (Plan, Option<Report>) {
        let (plan, report) = self.bring(hosts).await.result.unwrap();
        assert_eq!(plan.refused, []);
        let failed = report.iter().flat_map(|r| &r.failed).count();
        assert_eq!(failed, 0, "{report:?}");
        (plan, report)
    }

    /// The routes by `CreateRoute`: destination and target.
    fn routes(&self) -> Vec<String> {
        let state = self.region.state();
        let routes = state.tables[TABLE].routes.iter();
        let made = routes.filter(|r| r.origin == "CreateRoute");
        let line = |r: &Route| {
            let v4 = r.destination_cidr_block.clone();
            let to = r.instance_id.clone().or(r.nat_gateway_id.clone());
            let at = v4.or(r.destination_ipv6_cidr_block.clone());
            format!("{} {}", at.unwrap(), to.unwrap())
        };
        let mut lines: Vec<String> = made.map(line).collect();
        lines.sort();
        lines
    }

    /// Another user's doing.
    fn change(&self, change: impl FnOnce(&mut Vec<Route>)) {
        let mut state = self.region.state();
        change(&mut state.tables.get_mut(TABLE).unwrap().routes);
    }

    fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.region.state().writes)
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_becomes_routes_one_write_each_and_changes_in_place() {
    let site = Site::new("whole", state(4));
    let (_, report) = site.bring_whole(&[(0, "i-0"), (2, "i-1")]).await;
    assert_eq!(report.unwrap().writes, 4);
    let mut all = [
        "172.30.0.0/24 i-0",
        "172.30.2.0/24 i-1",
        "fd30::/64 i-0",
        "fd30:0:0:2::/64 i-1",
    ];
    all.sort_unstable();
    assert_eq!(site.routes(), all);
    // Nothing differs: routes without names are recognised as managed.
    site.writes();
    let (plan, report) = site.bring_whole(&[(0, "i-0"), (2, "i-1")]).await;
    assert_eq!((plan.ops, report.map(|r| r.writes)), (vec![], None));
    // Another instance replaces in place; a host that is gone goes.
    site.bring_whole(&[(0, "i-3")]).await;
    let mut writes = site.writes();
    writes.sort();
    assert_eq!(
        writes,
        [
            "DeleteRoute 172.30.2.0/24",
            "DeleteRoute fd30:0:0:2::/64",
            "ReplaceRoute 172.30.0.0/24",
            "ReplaceRoute fd30::/64",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_route_outside_of_the_pools_or_to_another_kind_of_target_is_left_alone() {
    let mut state = state(8);
    let routes = &mut state.tables.get_mut(TABLE).unwrap().routes;
    routes.push(by_hand("0.0.0.0/0", Some("nat-1"), None));
    routes.push(by_hand("172.30.9.0/24", Some("nat-1"), None));
    routes.push(by_hand("192.0.2.0/24", None, Some("i-3")));
    let site = Site::new("others", state);
    let (plan, _) = site.bring_whole(&[(0, "i-0")]).await;
    assert_eq!((plan.unmanaged, plan.orphans.len()), (3, 0));
    assert_eq!(site.routes().len(), 5);
    // In the pools and to an instance: managed, and nothing asks for it.
    site.change(|routes| routes.push(by_hand("172.30.7.0/24", None, Some("i-3"))));
    site.writes();
    site.bring_whole(&[(0, "i-0")]).await;
    assert_eq!(site.writes(), ["DeleteRoute 172.30.7.0/24"]);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_tagged_as_anothers_is_not_written() {
    let mut state = state(8);
    state.tables.insert(TABLE.to_owned(), table("other"));
    let site = Site::new("untagged", state);
    let error = site.bring(&[(0, "i-0")]).await.result.unwrap_err();
    assert!(
        flatnet_daemon::causes::chain(&error).contains("is not tagged flatnet:cluster=lab"),
        "{error:?}"
    );
    assert_eq!(site.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_quota_counts_each_family_for_itself() {
    // The plan says 4. With two entries by hand there are to be 4 of IPv4 and 2 of IPv6.
    let mut full = state(4);
    let routes = &mut full.tables.get_mut(TABLE).unwrap().routes;
    routes.push(by_hand("192.0.2.0/24", Some("nat-1"), None));
    routes.push(by_hand("198.51.100.0/24", Some("nat-1"), None));
    let site = Site::new("quota", full);
    site.bring_whole(&[(0, "i-0"), (2, "i-1")]).await;
    assert_eq!(site.routes().len(), 6);
    // In a full table the moves of IPv4 free room first; IPv6 has room.
    site.bring_whole(&[(1, "i-0"), (3, "i-1")]).await;
    assert_eq!(site.routes().len(), 6);
    // One more by hand, and there is no room for two new ones of IPv4.
    site.change(|routes| {
        routes.retain(|r| r.instance_id.is_none());
        routes.push(by_hand("203.0.113.0/24", Some("nat-1"), None));
    });
    let (plan, report) = site.bring(&[(0, "i-0"), (2, "i-1")]).await.result.unwrap();
    assert_eq!((plan.ops, report), (vec![], None));
    let [
        Refusal::OverQuota {
            quota: 4,
            desired: 2,
            unmanaged: 3,
            orphans: 0,
        },
    ] = plan.refused[..]
    else {
        panic!("{:?}", plan.refused);
    };
}

#[tokio::test(start_paused = true)]
async fn whatever_a_call_answers_the_listing_decides() {
    let hosts = [(0, "i-0"), (2, "i-1")];
    let faults = [
        Fault::Refuse("RequestLimitExceeded", 503),
        Fault::Refuse("InternalError", 500),
        Fault::CutBefore,
        Fault::CutAfter,
    ];
    for (n, fault) in faults.into_iter().enumerate() {
        let site = Site::new(&format!("fault-{n}"), state(4));
        site.region.state().faults.extend([fault, fault]);
        site.bring_whole(&hosts).await;
        // Each route was made once, although its first answer was an error.
        assert_eq!(site.writes().len(), 4, "{fault:?}");
        assert_eq!(site.routes().len(), 4, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_older_than_the_write_does_no_harm() {
    let mut lagging = state(4);
    lagging.lag = 1;
    let site = Site::new("lag", lagging);
    site.bring_whole(&[(0, "i-0"), (2, "i-1")]).await;
    site.bring_whole(&[(0, "i-2")]).await;
    assert_eq!(site.routes(), ["172.30.0.0/24 i-2", "fd30::/64 i-2"]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_gone_holds_up_nobody_else() {
    let site = Site::new("gone", state(4));
    let (plan, report) = site
        .bring(&[(0, "i-0"), (2, "i-gone")])
        .await
        .result
        .unwrap();
    let report = report.unwrap();
    assert_eq!(
        (plan.ops.len(), report.done, report.failed.len()),
        (4, 2, 2)
    );
    assert!(
        report.failed[0]
            .reason
            .to_string()
            .starts_with("InvalidInstanceID.NotFound")
    );
    assert_eq!(site.routes(), ["172.30.0.0/24 i-0", "fd30::/64 i-0"]);
}

#[tokio::test(start_paused = true)]
async fn what_concerns_the_table_or_the_key_ends_the_round() {
    let site = Site::new("final", state(4));
    site.region.state().tables.clear();
    let error = site.bring(&[(0, "i-0")]).await.result.unwrap_err();
    let RoundError::List { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*source.kind(), ErrorKind::TableGone);
    assert!(source.cause().is::<Ec2Error>());
    let site = Site::new("denied", state(4));
    let denied = Fault::Refuse("UnauthorizedOperation", 403);
    site.region.state().faults.push_back(denied);
    let error = site.bring(&[(0, "i-0")]).await.result.unwrap_err();
    let RoundError::Apply(ApplyError::Write { source, .. }) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*source.kind(), ErrorKind::Authentication);
}
