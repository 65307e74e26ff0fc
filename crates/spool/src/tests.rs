use std::os::unix::fs::PermissionsExt;

use flatnet_types::api::DelRequest;
use flatnet_types::{AttachmentKey, ContainerId, IfName, NetworkName, Timestamp};
use tempfile::TempDir;

use super::*;

pub(super) fn del(container: &str, at: u64) -> SpooledDel {
    SpooledDel {
        format: FORMAT,
        spooled_at: Timestamp::from_millis(at),
        socket: "/run/flatnet/netd.sock".to_owned(),
        request: DelRequest {
            version: 1,
            key: AttachmentKey {
                network: NetworkName::new("pods").expect("a network"),
                container_id: ContainerId::new(container).expect("an ID"),
                ifname: IfName::new("eth0").expect("an interface"),
            },
            netns: None,
        },
    }
}

pub(super) fn spool() -> (TempDir, Spool) {
    let dir = TempDir::new().expect("a directory");
    let spool = Spool::new(dir.path().join("lib/spool"));
    (dir, spool)
}

pub(super) fn containers(listing: &Listing) -> Vec<&str> {
    listing
        .entries
        .iter()
        .map(|e| e.del.request.key.container_id.as_str())
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o7777
}

#[test]
fn entries_are_listed_oldest_first() {
    let (_dir, spool) = spool();
    for (container, at) in [("c", 30), ("a", 10), ("b", 20)] {
        spool.write(&del(container, at)).expect("written");
    }
    let listing = spool.read_all().expect("a listing");
    assert_eq!(containers(&listing), ["a", "b", "c"]);
    assert!(listing.bad.is_empty());
}

#[test]
fn a_spool_that_does_not_exist_is_empty() {
    let (_dir, spool) = spool();
    assert!(spool.read_all().expect("a listing").entries.is_empty());
    assert!(!spool.dir.exists(), "reading created it");
}

#[test]
fn only_the_owner_can_read_entries() {
    let (_dir, spool) = spool();
    spool.write(&del("a", 1)).expect("written");
    assert_eq!(mode(&spool.dir), 0o700);
    let listing = spool.read_all().expect("a listing");
    assert_eq!(mode(&listing.entries[0].path), 0o600);
}

#[test]
fn a_repeated_del_replaces_the_first() {
    let (_dir, spool) = spool();
    spool.write(&del("a", 1)).expect("written");
    spool.write(&del("a", 2)).expect("written again");
    let listing = spool.read_all().expect("a listing");
    assert_eq!(listing.entries.len(), 1);
    assert_eq!(listing.entries[0].del.spooled_at.as_millis(), 2);
}

#[test]
fn a_crash_between_writing_and_renaming_leaves_nothing_broken() {
    let (_dir, spool) = spool();
    spool.write(&del("a", 1)).expect("written");
    let half = spool
        .dir
        .join(format!("{}{TEMP_SUFFIX}", stem(&del("b", 2).request.key)));
    fs::write(&half, br#"{"format":1,"spoo"#).expect("half an entry");

    // The runtime repeats the DEL that was never answered …
    spool
        .write(&del("b", 3))
        .expect("written over the leftover");
    assert_eq!(
        containers(&spool.read_all().expect("a listing")),
        ["a", "b"]
    );

    // … or it does not.
    fs::write(&half, b"{").expect("half an entry");
    assert_eq!(
        containers(&spool.read_all().expect("a listing")),
        ["a", "b"]
    );
    assert!(!half.exists(), "the leftover stayed");
}

#[test]
fn files_that_are_no_entries_are_renamed_and_the_others_are_read() {
    let (_dir, spool) = spool();
    spool.write(&del("a", 1)).expect("written");
    let long = "x".repeat(usize::try_from(ENTRY_LIMIT).expect("small") + 1);
    let newer = r#"{"format":2,"spooled_at_ms":1,"socket":"","request":{"version":1,"network":"n","container_id":"c","ifname":"eth0"}}"#;
    for (name, content) in [
        ("1", "{"),
        ("2", "[]"),
        ("3", "\u{0}"),
        ("4", &long),
        ("5", newer),
    ] {
        fs::write(spool.dir.join(format!("{name}.json")), content).expect("a file");
    }
    fs::create_dir(spool.dir.join("6.json")).expect("a directory");
    std::os::unix::fs::symlink("/dev/zero", spool.dir.join("7.json")).expect("a link");

    let listing = spool.read_all().expect("a listing");
    assert_eq!(containers(&listing), ["a"]);
    assert_eq!(listing.bad.len(), 7);
    for bad in &listing.bad {
        assert!(bad.path.to_string_lossy().ends_with(".json.bad"), "{bad:?}");
        assert!(fs::symlink_metadata(&bad.path).is_ok(), "{bad:?} is lost");
    }
    let again = spool.read_all().expect("a listing");
    assert!(again.bad.is_empty(), "reported twice: {:?}", again.bad);
}

#[test]
fn an_entry_that_was_replaced_in_the_meantime_is_not_removed() {
    let (_dir, spool) = spool();
    spool.write(&del("a", 1)).expect("written");
    let listing = spool.read_all().expect("a listing");
    spool.write(&del("a", 2)).expect("a later DEL");
    assert!(!spool.remove(&listing.entries[0]).expect("no failure"));
    assert_eq!(
        spool.read_all().expect("a listing").entries[0]
            .del
            .spooled_at
            .as_millis(),
        2
    );
}

#[test]
fn replaying_removes_what_succeeded_and_keeps_what_failed() {
    let (_dir, spool) = spool();
    for (container, at) in [("a", 1), ("b", 2), ("c", 3)] {
        spool.write(&del(container, at)).expect("written");
    }
    let mut seen = Vec::new();
    let replay = spool
        .replay(|d| {
            seen.push(d.spooled_at.as_millis());
            if d.spooled_at.as_millis() == 2 {
                Err("OVS is down")
            } else {
                Ok(())
            }
        })
        .expect("a replay");
    assert_eq!(seen, [1, 2, 3]);
    assert_eq!(replay.done, 2);
    assert_eq!(replay.failed.len(), 1);
    assert_eq!(containers(&spool.read_all().expect("a listing")), ["b"]);
}

#[test]
fn a_spool_that_cannot_be_written_is_an_error() {
    let (dir, spool) = spool();
    fs::write(dir.path().join("lib"), b"a file, not a directory").expect("a file");
    assert!(spool.write(&del("a", 1)).is_err());

    let taken = Spool::new(dir.path());
    fs::create_dir(dir.path().join(del("a", 1).file_name())).expect("a directory in the way");
    let err = taken
        .write(&del("a", 1))
        .expect_err("a directory is in the way");
    assert!(err.to_string().contains("write"), "{err}");
    let left = fs::read_dir(dir.path()).expect("a directory").count();
    assert_eq!(left, 2, "a temporary file was left");
}

#[test]
fn many_writers_of_one_key_and_of_many_leave_whole_entries() {
    let (_dir, spool) = spool();
    std::thread::scope(|scope| {
        for writer in 0..8_u64 {
            let spool = &spool;
            scope.spawn(move || {
                for n in 0..10 {
                    spool
                        .write(&del("shared", writer * 100 + n))
                        .expect("written");
                    spool
                        .write(&del(&format!("c{writer}-{n}"), n))
                        .expect("written");
                }
            });
        }
    });
    let listing = spool.read_all().expect("a listing");
    assert_eq!(listing.entries.len(), 81);
    assert!(listing.bad.is_empty(), "{:?}", listing.bad);
}
