use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::*;
use crate::identity::THREAD_NETNS;

fn pool(max: usize) -> Pool {
    let home = open(THREAD_NETNS, OFlag::O_RDONLY, Mode::empty()).expect("the own namespace");
    Pool::new("test", max, Arc::new(home))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn jobs_run_and_answer() {
    let pool = pool(2);
    let n = runtime().block_on(pool.run(|_| 7));
    assert_eq!(n, Ok(7));
}

#[test]
fn a_pool_has_no_more_threads_than_allowed() {
    let pool = Arc::new(pool(3));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    runtime().block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..20 {
            let (pool, now, most) = (Arc::clone(&pool), Arc::clone(&now), Arc::clone(&most));
            tasks.push(tokio::spawn(async move {
                pool.run(move |_| {
                    let n = now.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(n, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(5));
                    now.fetch_sub(1, Ordering::SeqCst);
                })
                .await
            }));
        }
        for task in tasks {
            assert_eq!(task.await.expect("no panic"), Ok(()));
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[test]
fn a_job_that_nobody_waits_for_any_more_is_not_begun() {
    let pool = pool(1);
    let ran = Arc::new(AtomicUsize::new(0));
    runtime().block_on(async {
        let blocker = pool.run(|_| thread::sleep(Duration::from_millis(50)));
        let ran2 = Arc::clone(&ran);
        let dropped = pool.run(move |_| ran2.fetch_add(1, Ordering::SeqCst));
        let both = async { tokio::join!(blocker, dropped) };
        assert!(
            tokio::time::timeout(Duration::from_millis(10), both)
                .await
                .is_err()
        );
        assert_eq!(pool.run(|_| 1).await, Ok(1));
    });
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn a_job_that_panics_fails_alone() {
    let pool = pool(1);
    runtime().block_on(async {
        let failed: Result<(), Fault> = pool.run(|_| panic!("on purpose")).await;
        assert_eq!(failed, Err(Fault::Stopped));
        assert_eq!(pool.run(|_| 1).await, Ok(1));
    });
}

#[test]
fn jobs_that_wait_when_the_pool_goes_are_answered() {
    let pool = pool(1);
    runtime().block_on(async {
        pool.submit(Box::new(|_| thread::sleep(Duration::from_millis(30))))
            .expect("room");
        let (done, result) = oneshot::channel::<()>();
        pool.submit(Box::new(move |_| {
            let _ = done.send(());
        }))
        .expect("room");
        drop(pool);
        assert!(result.await.is_err(), "the waiting job was dropped");
    });
}
