use super::*;
use crate::socket::encode;

fn monitor() -> (Monitor, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    (Monitor::start().expect("anyone may listen"), runtime)
}

/// A datagram that announces the deletion of a link.
fn deleted(ifindex: u32) -> Vec<u8> {
    encode(vec![link::delete(ifindex)], 0)
}

#[test]
fn an_announced_deletion_wakes_those_who_wait_for_it_and_no_others() {
    let (monitor, _runtime) = monitor();
    let shared = monitor.handle();
    let socket = subscribe(&[RTNLGRP_LINK]).expect("a socket");
    let (mut ours, mut others) = (oneshot::channel(), oneshot::channel());
    shared.expect(0x7fff_0001, ours.0);
    shared.expect(0x7fff_0002, others.0);
    shared.take_in(&socket, &deleted(0x7fff_0001));
    assert_eq!(ours.1.try_recv(), Ok(()));
    assert!(others.1.try_recv().is_err());
}

#[test]
fn lost_announcements_are_made_up_for_by_a_look() {
    let (monitor, runtime) = monitor();
    let shared = monitor.handle();
    let socket = subscribe(&[RTNLGRP_LINK]).expect("a socket");
    let mut events = monitor.watch();
    let (mut gone, mut there) = (oneshot::channel(), oneshot::channel());
    shared.expect(0x7fff_fff0, gone.0);
    // The loopback exists in any namespace.
    shared.expect(1, there.0);
    shared.resync(&socket);
    assert_eq!(gone.1.try_recv(), Ok(()));
    assert!(there.1.try_recv().is_err());
    assert_eq!(runtime.block_on(events.next()), Some(LinkEvent::Resync));
}

#[test]
fn an_announcement_that_is_cut_leads_to_a_look() {
    let (monitor, runtime) = monitor();
    let shared = monitor.handle();
    let socket = subscribe(&[RTNLGRP_LINK]).expect("a socket");
    let mut events = monitor.watch();
    let datagram = deleted(0x7fff_fff0);
    shared.take_in(&socket, &datagram[..datagram.len() - 4]);
    assert_eq!(runtime.block_on(events.next()), Some(LinkEvent::Resync));
}

#[test]
fn a_watcher_that_falls_behind_is_told_to_look() {
    let (monitor, runtime) = monitor();
    let shared = monitor.handle();
    let socket = subscribe(&[RTNLGRP_LINK]).expect("a socket");
    let mut events = monitor.watch();
    for n in 0..u32::try_from(EVENTS_MAX).expect("small") + 1 {
        shared.take_in(&socket, &deleted(0x7fff_0000 + n));
    }
    assert_eq!(runtime.block_on(events.next()), Some(LinkEvent::Resync));
    let next = runtime.block_on(events.next());
    assert!(matches!(next, Some(LinkEvent::Deleted { .. })), "{next:?}");
}

#[test]
fn those_who_gave_up_leave_nothing_behind() {
    let (monitor, _runtime) = monitor();
    let shared = monitor.handle();
    for n in 0..100 {
        let (waiter, _) = oneshot::channel();
        shared.expect(0x7fff_0000 + n, waiter);
    }
    assert!(shared.waiting().len() <= 1);
}

#[test]
fn watching_ends_when_the_adapter_is_dropped() {
    let (monitor, runtime) = monitor();
    let mut events = monitor.watch();
    drop(monitor);
    let end = runtime.block_on(async {
        let ended = async { while events.next().await.is_some() {} };
        tokio::time::timeout(std::time::Duration::from_secs(5), ended).await
    });
    assert!(end.is_ok(), "the thread ends");
}
