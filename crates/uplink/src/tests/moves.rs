//! A move ends in one of two states, whatever happens at whichever step.

use std::sync::atomic::{AtomicBool, Ordering};

use super::host::{Fault, Memory, State, inventory, on_sub_interface, sorted, target};
use crate::inventory::Inventory;
use crate::journal::{Journal, Phase, Store};
use crate::mover::{MoveError, Mover, Outcome};
use crate::plan::{Target, plan};

struct Scene {
    _dir: tempfile::TempDir,
    store: Store,
    host: Memory,
    journal: Journal,
    before: State,
}

fn tagged() -> Target {
    let vlan = flatnet_types::VlanId::new(10).expect("a VLAN");
    Target {
        host_vlan: Some(vlan),
        trunks: vec![vlan],
        ..target()
    }
}

fn scene(target: &Target, i: &Inventory) -> Scene {
    let dir = tempfile::tempdir().expect("a directory");
    let plan = plan(target, i).expect("a plan");
    let host = Memory::new(i);
    Scene {
        store: Store::new(dir.path()),
        before: sorted(&host.state()),
        journal: Journal::new(&plan, "br-flat", "boot"),
        host,
        _dir: dir,
    }
}

fn both() -> [(Target, Inventory); 2] {
    [(target(), inventory()), (tagged(), on_sub_interface())]
}

impl Scene {
    fn mover(&self) -> Mover<'_, Memory> {
        Mover {
            host: &self.host,
            store: &self.store,
            boot_id: "boot",
        }
    }

    /// `None`: the process died.
    async fn migrate(&self) -> Option<Result<Outcome, MoveError>> {
        let stop = AtomicBool::new(false);
        let mover = self.mover();
        tokio::select! {
            biased;
            outcome = mover.migrate(self.journal.clone(), || Ok(()), &stop) => Some(outcome),
            () = self.host.died.notified() => None,
        }
    }

    fn phase(&self) -> Phase {
        self.store.load().expect("read").expect("there").phase
    }

    fn is_as_before(&self, what: &str) {
        assert_eq!(sorted(&self.host.state()), self.before, "{what}");
        assert!(matches!(self.phase(), Phase::RolledBack { .. }), "{what}");
    }
}

#[tokio::test]
async fn a_move_gives_everything_to_the_host_port_and_leaves_nothing_on_the_nic() {
    for (target, i) in both() {
        let scene = scene(&target, &i);
        assert_eq!(
            scene.migrate().await.expect("lives").expect("made"),
            Outcome::Kept
        );
        let state = scene.host.state();
        let from = scene.journal.source();
        assert!(!state.entries.iter().any(|e| e.is_of(&from)), "{state:?}");
        // Two addresses, the default route and the rule; and the route of eth1, which the kernel
        // dropped with the address.
        assert_eq!(state.entries.len(), 5, "{state:?}");
        assert!(state.database.contains("eth0") && state.flows);
        assert_eq!(state.sysctls["ipv6/conf/eth0/disable_ipv6"], "1");
    }
}

#[tokio::test]
async fn a_step_that_fails_undoes_everything_at_every_step() {
    for (target, i) in both() {
        for fault in [Fault::Fail, Fault::FailAfter] {
            for at in 0..plan(&target, &i).expect("a plan").steps.len() {
                let mut scene = scene(&target, &i);
                scene.host.at = Some((at, fault));
                let outcome = scene.migrate().await.expect("lives").expect("undone");
                assert!(matches!(outcome, Outcome::RolledBack(_)), "{outcome:?}");
                scene.is_as_before(&format!("{fault:?} at step {at}"));
            }
        }
    }
}

#[tokio::test]
async fn the_guard_undoes_what_a_mover_that_died_left_at_every_step() {
    for (target, i) in both() {
        for fault in [Fault::Die, Fault::DieAfter] {
            for at in 0..plan(&target, &i).expect("a plan").steps.len() {
                let mut scene = scene(&target, &i);
                scene.host.at = Some((at, fault));
                assert!(scene.migrate().await.is_none(), "it died");
                assert!(crate::journal::Phase::is_unfinished(&scene.phase()));
                scene.mover().guard().await.expect("guarded");
                scene.is_as_before(&format!("{fault:?} at step {at}"));
            }
        }
    }
}

#[tokio::test]
async fn an_undoing_that_is_cut_at_every_step_is_finished_by_the_next() {
    for (target, i) in both() {
        let steps = plan(&target, &i).expect("a plan").steps.len();
        for fault in [Fault::Die, Fault::DieAfter, Fault::Fail, Fault::FailAfter] {
            for at in steps..2 * steps {
                let mut scene = scene(&target, &i);
                assert_eq!(
                    scene.migrate().await.expect("lives").expect("made"),
                    Outcome::Kept
                );
                scene.host.at = Some((at, fault));
                let mover = scene.mover();
                tokio::select! {
                    biased;
                    done = mover.roll_back("asked for", || Ok(())) => match fault {
                        Fault::Fail | Fault::FailAfter => assert!(done.is_err(), "it failed"),
                        _ => panic!("it did not die"),
                    },
                    () = scene.host.died.notified() => {}
                }
                mover.guard().await.expect("guarded");
                scene.is_as_before(&format!("{fault:?} at {at}"));
            }
        }
    }
}

#[tokio::test]
async fn a_gate_that_does_not_answer_undoes_everything() {
    let mut scene = scene(&target(), &inventory());
    scene.host.answers = false;
    let outcome = scene.migrate().await.expect("lives").expect("undone");
    let Outcome::RolledBack(reason) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(reason.contains("gateway 10.0.0.1 (ARP)"), "{reason}");
    scene.is_as_before("no answer");
}

#[tokio::test]
async fn a_move_that_nobody_confirms_is_undone_at_its_deadline_and_one_that_is_confirmed_stays() {
    for confirmed in [false, true] {
        let mut scene = scene(&target(), &inventory());
        scene.journal.confirm_s = Some(20);
        let outcome = scene.migrate().await.expect("lives").expect("made");
        assert!(matches!(outcome, Outcome::Waiting(_)), "{outcome:?}");
        if confirmed {
            scene.mover().confirm().expect("confirmed");
        }
        scene.mover().guard().await.expect("guarded");
        if confirmed {
            assert_eq!(scene.phase(), Phase::Kept);
            assert!(scene.host.state().database.contains("eth0"));
        } else {
            scene.is_as_before("not confirmed");
            assert!(scene.host.clock.load(Ordering::Relaxed) >= 20);
            assert!(scene.mover().confirm().is_err());
        }
    }
}

#[tokio::test]
async fn without_its_guard_nothing_is_begun() {
    let scene = scene(&target(), &inventory());
    let stop = AtomicBool::new(false);
    let mover = scene.mover();
    let refused = mover
        .migrate(scene.journal.clone(), || Err("no".into()), &stop)
        .await;
    assert!(matches!(refused, Err(MoveError::Guard(_))));
    assert_eq!(scene.host.done.load(Ordering::Relaxed), 0);
    scene.is_as_before("no guard");
}

#[tokio::test]
async fn a_second_mover_and_a_finished_move_are_told_apart() {
    let scene = scene(&target(), &inventory());
    let held = scene.store.lock().expect("locked");
    let stop = AtomicBool::new(false);
    let mover = scene.mover();
    let second = mover.migrate(scene.journal.clone(), || Ok(()), &stop).await;
    assert!(
        second
            .expect_err("locked")
            .to_string()
            .contains("another netd")
    );
    drop(held);
    assert!(matches!(
        mover.roll_back("nothing", || Ok(())).await,
        Err(MoveError::NothingToUndo)
    ));
}

#[tokio::test]
async fn what_is_undone_by_hand_is_not_recorded_as_to_be_made_again() {
    let scene = scene(&target(), &inventory());
    scene.migrate().await.expect("lives").expect("made");
    assert!(scene.store.load().expect("read").expect("there").recorded);
    scene
        .mover()
        .roll_back("by hand", || Ok(()))
        .await
        .expect("undone");
    assert!(!scene.store.load().expect("read").expect("there").recorded);
    scene.is_as_before("by hand");
}
