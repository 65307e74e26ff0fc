use super::*;

#[test]
fn an_attachment_is_reserved_committed_and_released_across_restarts() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ipam.redb");
    let generation = {
        let (ipam, recovery) = Ipam::open(&path, four(), BOOT, at(0)).expect("it opens");
        assert_eq!(recovery, Recovery::default());
        let (reservation, durable) = ipam
            .reserve_with(
                &key(1),
                &any(),
                at(1),
                |r| serde_json::json!({"port": r.slot}),
            )
            .expect("there is room");
        assert_eq!(first_ip(&reservation), "10.0.0.16");
        durable.wait().expect("it is durable");
        reservation.generation
    };
    {
        let (ipam, recovery) = Ipam::open(&path, four(), BOOT, at(2)).expect("it opens");
        assert_eq!(recovery.uncommitted.len(), 1);
        assert_eq!(recovery.uncommitted[0].detail["port"], 1);
        let durable = ipam.commit(&key(1), generation).expect("it is there");
        durable.wait().expect("it is durable");
    }
    {
        let (ipam, recovery) = Ipam::open(&path, four(), BOOT, at(3)).expect("it opens");
        assert_eq!(recovery.alive.len(), 1);
        let release = ipam
            .release(&key(1), generation, at(4))
            .expect("it is there");
        assert!(release.existed());
        release.durable().wait().expect("it is durable");
    }
    let (ipam, recovery) = Ipam::open(&path, four(), "boot-2", at(5)).expect("it opens");
    assert_eq!(recovery, Recovery::default());
    let (next, _durable) = ipam.reserve(&key(1), &any(), at(6)).expect("there is room");
    assert_eq!(first_ip(&next), "10.0.0.17", "the first one rests");
    assert!(next.generation > generation);
    assert_eq!(next.slot, 2, "the first one was freed last");
}
