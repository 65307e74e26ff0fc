//! How many calls of the API a change of n entries takes, against the simulator.

use std::time::Duration;

use flatnet_clock::{Backoff, System};
use flatnet_vpc_route::apply::{Applier, RateLimiter, Report, RetryPolicy};
use flatnet_vpc_route::diff::{Rules, Sightings, diff};
use flatnet_vpc_route::model::{
    DesiredEntry, DesiredTable, Generation, NextHopKind, NextHops, TableId, Timestamp,
};
use flatnet_vpc_route::providers::{Provider, TableScope};
use serde_json::json;
use tokio::sync::Mutex;

use crate::Verdict;
use crate::kit::Cloud;

/// The entries that one call takes.
const BATCH: usize = 50;

fn desired(n: usize) -> DesiredTable {
    let entries = (0..n).map(|i| DesiredEntry {
        destination: format!("10.8.{i}.0/24").parse().unwrap(),
        next_hops: NextHops::one(NextHopKind::Instance, format!("i-{}", i % 8)),
        label: "node".into(),
    });
    DesiredTable {
        table: TableId("vtb-1".into()),
        entries: entries.collect(),
    }
}

/// One process's round: lists, and brings the table to `n` entries.
async fn bring(cloud: &Cloud, n: usize) -> Report {
    let client = cloud.client(Cloud::key(), Duration::from_secs(10));
    let want = desired(n);
    let mut rules = Rules::new("prod".parse().unwrap(), Generation(1));
    rules.mass_delete.allowed = true;
    let scope = TableScope::of_vpc(&*want.table.0);
    let listed = Provider::list(&client, &scope).await.unwrap();
    let plan = diff(&want, &listed, &rules, &Sightings::new(), Timestamp(0));
    assert_eq!(plan.refused, []);
    let applier = Applier {
        provider: &client,
        table: &scope,
        cluster: &rules.cluster,
        rng: &System,
        retry: RetryPolicy {
            attempts: 8,
            settle: Duration::from_secs(10),
            poll: Duration::from_millis(5),
            backoff: Backoff {
                first: Duration::from_millis(5),
                max: Duration::from_millis(40),
            },
        },
        limiter: &Mutex::new(RateLimiter::new(Duration::ZERO, Duration::from_millis(50))),
        leads: &|| true,
    };
    let report = applier.apply(&plan).await.unwrap();
    assert_eq!(report.failed, []);
    report
}

/// Makes and deletes n entries; an entry that moves is modified, and the API takes one a call.
pub(crate) async fn run(verdict: &mut Verdict) {
    for n in [1, 50, 51, 200] {
        let quick = json!({"createMs": 0, "deleteMs": 0, "modifyMs": 0, "jitterMs": 0});
        let cloud = Cloud::small(200, quick).await;
        for (verb, to) in [("creates", n), ("deletes", 0)] {
            let report = bring(&cloud, to).await;
            let limit = n.div_ceil(BATCH);
            verdict.tell(
                report.writes <= limit,
                &format!(
                    "{verb}: {n} entries by {} writes (limit {limit}) and {} listings",
                    report.writes, report.lists
                ),
            );
        }
    }
}
