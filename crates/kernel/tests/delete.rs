//! Deleting links, and hearing of it.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Ns, dual_stack, ifname, run, veth, wanted, with_kernel};
use flatnet_kernel::{LinkError, LinkEvent, LinkEvents, Netns};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn an_absent_link_is_deleted_already() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    with_kernel(&host, |kernel| async move {
        for index in [None, Some(4711)] {
            let gone = kernel.delete_link(&ifname("nothing"), index, SOON).await;
            assert!(!gone.expect("ok").existed);
        }
    });
}

#[test]
fn a_link_that_has_the_name_or_the_index_but_not_both_is_spared() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        kernel.create_veth(&veth(1, &netns)).await.expect("made");
        for (name, index) in [("flt1", 1002), ("flt2", 1001)] {
            let gone = kernel.delete_link(&ifname(name), Some(index), SOON).await;
            assert!(!gone.expect("ok").existed, "{name} {index}");
        }
        assert!(host.link("flt1").is_some());
        let gone = kernel.delete_link(&ifname("flt1"), None, SOON).await;
        assert!(gone.expect("ok").existed);
    });
}

#[test]
fn a_deletion_is_told_of_long_before_the_request_returns() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let mut times = Vec::new();
        for n in 1..=30 {
            kernel.create_veth(&veth(n, &netns)).await.expect("made");
            // The request before is still being worked off otherwise.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let began = Instant::now();
            kernel
                .delete_link(&ifname(&format!("flt{n}")), Some(1000 + n), SOON)
                .await
                .expect("deleted");
            times.push(began.elapsed());
            // What is gone is gone: the name and the index are free at once.
            kernel.create_veth(&veth(n, &netns)).await.expect("again");
            kernel
                .delete_link(&ifname(&format!("flt{n}")), None, SOON)
                .await
                .expect("deleted");
        }
        times.sort();
        eprintln!("delete_link: median {:?}, worst {:?}", times[15], times[29]);
        assert!(times[15] < Duration::from_millis(15), "{times:?}");
    });
}

#[test]
fn a_deletion_that_takes_too_long_is_reported_and_goes_on() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let mut tasks = Vec::new();
        for n in 0..40 {
            let mut spec = veth(n, &netns);
            spec.container_name = ifname(&format!("eth{n}"));
            kernel.create_veth(&spec).await.expect("made");
        }
        // Together they take far longer than the timer's least step.
        for n in 0..40 {
            let (kernel, name) = (kernel.clone(), ifname(&format!("flt{n}")));
            tasks.push(tokio::spawn(async move {
                kernel
                    .delete_link(&name, None, Duration::from_millis(1))
                    .await
            }));
        }
        let mut late = 0;
        for task in tasks {
            if let Err(e) = task.await.expect("no panic") {
                assert!(matches!(e, LinkError::TimedOut { .. }), "{e}");
                assert!(e.is_retryable());
                late += 1;
            }
        }
        assert!(late > 0);
        for n in 0..40 {
            let name = ifname(&format!("flt{n}"));
            kernel
                .delete_link(&name, None, SOON)
                .await
                .expect("deleted");
            assert_eq!(kernel.link(&name).await.expect("read"), None);
        }
    });
}

#[test]
fn links_come_and_go_as_events() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let mut events = kernel.watch();
        let netns = pod.open();
        kernel.create_veth(&veth(1, &netns)).await.expect("made");
        until(
            &mut events,
            |e| matches!(e, LinkEvent::Changed(l) if l.name == "flt1" && l.up),
        )
        .await;
        run("ip", &["-n", &host.name, "link", "set", "flt1", "down"]);
        until(
            &mut events,
            |e| matches!(e, LinkEvent::Changed(l) if l.name == "flt1" && !l.up),
        )
        .await;
        run("ip", &["-n", &host.name, "link", "del", "flt1"]);
        until(
            &mut events,
            |e| matches!(e, LinkEvent::Deleted { name, ifindex: 1001 } if name == "flt1"),
        )
        .await;
    });
}

/// Waits for an event.
async fn until(events: &mut LinkEvents, wanted: fn(&LinkEvent) -> bool) {
    let seen = async { while !wanted(&events.next().await.expect("it runs")) {} };
    tokio::time::timeout(SOON, seen).await.expect("an event");
}

#[test]
fn leaving_a_bridge_is_not_taken_for_a_deletion() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        kernel.create_veth(&veth(1, &netns)).await.expect("made");
        let on_host = |args: &[&str]| {
            let mut all = vec!["-n", &host.name];
            all.extend(args);
            run("ip", &all)
        };
        on_host(&["link", "add", "br0", "type", "bridge"]);
        on_host(&["link", "set", "flt1", "master", "br0"]);
        let mut events = kernel.watch();
        on_host(&["link", "set", "flt1", "nomaster"]);
        on_host(&["link", "set", "flt1", "alias", "mark"]);
        loop {
            match events.next().await.expect("it runs") {
                LinkEvent::Deleted { name, .. } => panic!("{name} was not deleted"),
                LinkEvent::Changed(l) if l.alias.as_deref() == Some("mark") => break,
                _ => {}
            }
        }
    });
}

#[test]
fn two_hundred_containers_come_and_go_eight_at_once() {
    if !wanted() {
        return;
    }
    let (host, pods) = (Ns::new(), (0..8).map(|_| Ns::new()).collect::<Vec<_>>());
    let (host, pods) = (&host, &pods);
    with_kernel(host, |kernel| async move {
        let netns: Arc<Vec<Netns>> = Arc::new(pods.iter().map(Ns::open).collect());
        let mut tasks = Vec::new();
        for pod in 0..8_u32 {
            let (kernel, netns) = (kernel.clone(), Arc::clone(&netns));
            tasks.push(tokio::spawn(async move {
                let netns = &netns[pod as usize];
                for n in 0..25 {
                    let n = 100 * pod + n;
                    let mut spec = veth(n, netns);
                    spec.container_name = ifname(&format!("eth{n}"));
                    let made = kernel.create_veth(&spec).await.expect("made");
                    let mut inside = dual_stack(made.container_ifindex);
                    inside.ifname = spec.container_name.clone();
                    inside.routes.clear();
                    kernel
                        .configure_container(netns, &inside)
                        .await
                        .expect("configured");
                }
            }));
        }
        for task in tasks {
            task.await.expect("no panic");
        }
        let links = kernel.links().await.expect("listed");
        let ours: Vec<_> = links.iter().filter(|l| l.name.starts_with("flt")).collect();
        assert_eq!(ours.len(), 200);
        assert!(ours.iter().all(|l| l.up && l.peer_in_other_netns));

        let mut tasks = Vec::new();
        for link in ours {
            let (kernel, name, index) = (kernel.clone(), ifname(&link.name), link.ifindex);
            tasks.push(tokio::spawn(async move {
                let gone = kernel.delete_link(&name, Some(index), SOON).await;
                assert!(gone.expect("deleted").existed);
            }));
        }
        for task in tasks {
            task.await.expect("no panic");
        }
        let links = kernel.links().await.expect("listed");
        assert!(links.iter().all(|l| !l.name.starts_with("flt")));
    });
}
