//! The rows in an Open vSwitch of the test's own, with its userspace datapath.

use std::sync::atomic::{AtomicU32, Ordering};

use flatnet_ovs::ovsdb::{Session, SessionConfig};
use flatnet_types::marks::WAY_BACK_ZONE;

use super::ZoneTimeouts::{Current, Stale, Unmanaged};
use super::*;
use crate::real::rows;

#[path = "../../../../crates/ovs/tests/common/mod.rs"]
mod common;

const DATAPATH: &str = "netdev";
const ZONE: u16 = 40_000;
/// A zone of netd's numbers that another program uses.
const OTHERS: u16 = 50_000;

static MARKER: AtomicU32 = AtomicU32::new(0);

/// A private switch, and netd's session with its database.
struct Scene {
    ovs: common::Ovs,
    session: Session,
}

impl Scene {
    async fn new() -> Self {
        let ovs = common::Ovs::switch();
        let config = SessionConfig::new(ovs.path("db.sock"), rows::monitored());
        let session = Session::start(config);
        session.ready(common::WAIT).await.expect("ready");
        Self { ovs, session }
    }

    async fn transact(&self, ops: impl FnOnce(&Replica) -> Vec<Op>) {
        let ops = self.session.read(ops);
        self.session.transact(&ops).await.expect("taken");
    }

    async fn set(&self, zones: &[u16], gone: &[u16]) {
        self.transact(|r| set(r, DATAPATH, zones, gone)).await;
    }

    fn zones(&self) -> BTreeMap<u16, ZoneTimeouts> {
        let zones = self.session.read(|r| zones(r, DATAPATH));
        zones.expect("this Open vSwitch has them")
    }

    /// How many rows there are: zones, policies, datapaths.
    fn rows(&self) -> [usize; 3] {
        let tables = ["CT_Zone", "CT_Timeout_Policy", "Datapath"];
        self.session.read(|r| tables.map(|table| r.count(table)))
    }

    /// Sets the bridge's only flow to a commit to the zone. Returns whether the datapath's action
    /// has time-outs, after the switch has applied the database's rows.
    fn has_timeouts(&self, zone: u16) -> bool {
        // A different change each time: ovs-vsctl waits until the switch has applied it.
        let seen = format!(
            "external_ids:seen={}",
            MARKER.fetch_add(1, Ordering::Relaxed)
        );
        self.ovs.vsctl(&["set", "open_vswitch", ".", &seen]);
        let flow = format!("table=0,udp,actions=ct(commit,zone={zone})");
        self.ovs.ofctl("add-flow", &[&flow]);
        let ctl = self.ovs.file("vs.ctl");
        let trace = ["-t", &ctl, "ofproto/trace", "br0", "in_port=LOCAL,udp"];
        let output = common::run("ovs-appctl", &trace);
        assert!(output.contains(&format!("zone={zone}")), "{output}");
        output.contains("timeout=")
    }

    /// Adds a zone without netd's mark.
    fn add_zone(&self, zone: u16) {
        // Zones with the same time-outs would get one row for both.
        let (zone, timeout) = (format!("zone={zone}"), format!("udp_first={zone}"));
        self.ovs.vsctl(&["add-zone-tp", DATAPATH, &zone, &timeout]);
    }
}

#[tokio::test]
async fn open_vswitch_takes_the_rows_and_others_stay() {
    if !common::wanted() {
        return;
    }
    let scene = Scene::new().await;
    // `add` does not insert the datapath's row; the reconciler does.
    scene.transact(|r| add(r, DATAPATH, ZONE)).await;
    assert_eq!((scene.zones(), scene.rows()), (BTreeMap::new(), [0; 3]));
    assert!(!scene.has_timeouts(ZONE));

    scene.set(&[WAY_BACK_ZONE], &[]).await;
    scene.transact(|r| add(r, DATAPATH, ZONE)).await;
    scene.add_zone(7);
    scene.add_zone(OTHERS);
    let all = BTreeMap::from([
        (ZONE, Current),
        (OTHERS, Unmanaged),
        (WAY_BACK_ZONE, Current),
    ]);
    scene
        .session
        .wait_for(common::WAIT, |r| {
            (zones(r, DATAPATH).as_ref() == Some(&all)).then_some(())
        })
        .await
        .expect("all of them");
    assert_eq!(scene.rows(), [4, 4, 1]);
    assert!(scene.has_timeouts(ZONE) && scene.has_timeouts(WAY_BACK_ZONE));
    assert!(!scene.has_timeouts(ZONE + 1));

    // A container is deleted, and with it its rows.
    scene.transact(|r| remove(r, DATAPATH, ZONE)).await;
    scene.transact(|r| remove(r, DATAPATH, OTHERS)).await;
    let left = BTreeMap::from([(OTHERS, Unmanaged), (WAY_BACK_ZONE, Current)]);
    assert_eq!((scene.zones(), scene.rows()), (left, [3, 3, 1]));
    assert!(!scene.has_timeouts(ZONE) && scene.has_timeouts(7));

    scene.transact(|r| remove_all(r, DATAPATH)).await;
    let left = BTreeMap::from([(OTHERS, Unmanaged)]);
    assert_eq!((scene.zones(), scene.rows()), (left, [2, 2, 1]));
}

#[tokio::test]
async fn changed_rows_are_observed_and_set_again() {
    if !common::wanted() {
        return;
    }
    let scene = Scene::new().await;
    scene.set(&[ZONE], &[]).await;
    for (change, seen) in [
        (
            ["set", "CT_Timeout_Policy", "timeouts:udp_single=600"],
            Stale,
        ),
        (["clear", "CT_Zone", "timeout_policy"], Stale),
        (
            ["remove", "CT_Zone", "external_ids flatnet-owner"],
            Unmanaged,
        ),
    ] {
        let [verb, table, what] = change;
        let uuid = scene
            .session
            .read(|r| r.rows(table).next().map(|(uuid, _)| uuid));
        let uuid = uuid.expect("a row").to_string();
        let mut args = vec![verb, table, &uuid];
        args.extend(what.split(' '));
        scene.ovs.vsctl(&args);
        let is = |r: &Replica| zones(r, DATAPATH)?.get(&ZONE).copied();
        let differs = |r: &_| is(r).filter(|is| *is == seen);
        let found = scene.session.wait_for(common::WAIT, differs).await;
        assert!(found.is_ok(), "{args:?}: {:?}", scene.zones());
        scene.set(&[ZONE], &[]).await;
        assert_eq!(scene.zones(), BTreeMap::from([(ZONE, Current)]), "{args:?}");
        assert_eq!(scene.rows(), [1, 1, 1], "{args:?}");
    }
    // Not the zone: the datapath's row.
    scene
        .ovs
        .vsctl(&["clear", "open_vswitch", ".", "datapaths"]);
    scene
        .session
        .wait_for(common::WAIT, |r| (r.count("Datapath") == 0).then_some(()))
        .await
        .expect("gone");
    assert!(!scene.has_timeouts(ZONE));
    scene.set(&[ZONE], &[]).await;
    assert!(scene.has_timeouts(ZONE));
}

#[tokio::test]
async fn a_recreated_bridge_has_no_time_outs_until_the_rows_are_recreated() {
    if !common::wanted() {
        return;
    }
    let scene = Scene::new().await;
    scene.set(&[ZONE], &[]).await;
    assert!(scene.has_timeouts(ZONE));
    scene.ovs.vsctl(&["del-br", "br0"]);
    scene.ovs.add_bridge();
    assert!(
        !scene.has_timeouts(ZONE),
        "Open vSwitch gives them by itself: forget() is needless"
    );
    scene.transact(|r| remove_all(r, DATAPATH)).await;
    assert!(!scene.has_timeouts(ZONE));
    scene.set(&[ZONE], &[]).await;
    assert!(scene.has_timeouts(ZONE));
    // A restarted switch reads them.
    scene.ovs.stop_switch();
    scene.ovs.start_switch();
    assert!(scene.has_timeouts(ZONE));
}

#[test]
fn own_changes_are_distinguished_from_others() {
    use ZoneTimeouts::{Current, Stale, Unmanaged};
    let record = TimeoutRecord::default();
    let zones = |pairs: &[(u16, ZoneTimeouts)]| pairs.iter().copied().collect();
    let changing = record.begin(&[40_000]);
    assert!(!record.differs(&zones(&[])), "it is on its way");
    assert!(!record.differs(&zones(&[(40_000, Current)])));
    changing.done(&[40_000]);
    assert!(!record.differs(&zones(&[(40_000, Current), (50_000, Unmanaged)])));
    for others in [
        zones(&[]),
        zones(&[(40_000, Stale)]),
        zones(&[(40_000, Unmanaged)]),
    ] {
        assert!(record.differs(&others), "{others:?}");
    }
    assert!(record.differs(&zones(&[(40_000, Current), (50_000, Current)])));
    record.begin(&[40_000]).done(&[]);
    assert!(!record.differs(&zones(&[])), "netd took it away");
    // An ADD was cancelled: its rows may have been inserted.
    drop(record.begin(&[41_000]));
    assert!(record.differs(&zones(&[(41_000, Current)])));
}

#[test]
fn without_the_tables_no_time_outs_are_set() {
    let replica = Replica::default();
    assert_eq!(zones(&replica, "system"), None);
    assert!(add(&replica, "system", 40_000).is_empty());
    assert!(remove(&replica, "system", 40_000).is_empty());
    assert!(remove_all(&replica, "system").is_empty());
}
