//! What a broken disk, a clumsy administrator or another user may leave in a spool.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::time::Instant;

use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};
use tempfile::TempDir;

use super::tests::{containers, del, spool};
use super::*;

/// Somebody who is not root.
const NOBODY: u32 = 65_534;

/// The file of a container's entry.
fn file(spool: &Spool, container: &str) -> PathBuf {
    spool.dir.join(del(container, 1).file_name())
}

#[test]
fn valid_entries_are_read_whatever_other_files_there_are() {
    let (dir, spool) = spool();
    for container in ["a", "b"] {
        spool.write(&del(container, 1)).expect("written");
    }
    let honest = fs::read(file(&spool, "a")).expect("an entry");
    let at = |name: &str| spool.dir.join(name);
    let mut bad = 0;
    let mut put = |name: &OsStr, content: &[u8]| {
        fs::write(spool.dir.join(name), content).expect("written");
        bad += 1;
    };
    put(OsStr::new("0.json"), &honest); // of another key's name
    put(OsStr::new("new\nline.json"), &honest);
    put(OsStr::from_bytes(b"\xff\xfe.json"), &honest);
    put(OsStr::new(&format!("{}.json", "x".repeat(250))), b"");
    put(OsStr::new("binary.json"), &[0xff; 4096]);
    put(OsStr::new("deep.json"), "[".repeat(60_000).as_bytes());
    mkfifo(&at("fifo.json"), Mode::S_IRWXU).expect("a FIFO");
    symlink("/dev/zero", at("endless.json")).expect("a link");
    fs::create_dir_all(at("directory.tmp/inside")).expect("a directory");
    // A symbolic link to what would be an entry here.
    let elsewhere = dir.path().join("elsewhere.json");
    fs::write(
        &elsewhere,
        serde_json::to_vec(&del("linked", 1)).expect("JSON"),
    )
    .expect("written");
    symlink(&elsewhere, file(&spool, "linked")).expect("a link");
    // A terabyte that is not there.
    let huge = File::create(at("huge.json")).expect("made");
    huge.set_len(1 << 40).expect("sparse");
    bad += 5;
    if geteuid().is_root() {
        let others = file(&spool, "others");
        spool.write(&del("others", 1)).expect("written");
        chown(&others, Some(NOBODY), None).expect("root may");
        bad += 1;
    }
    // A file that was renamed before is not overwritten by another one of the same name.
    fs::write(at("binary.json.bad"), "earlier").expect("written");

    let begun = Instant::now();
    let listing = spool.read_all().expect("a listing");
    assert!(begun.elapsed() < Duration::from_secs(5), "it waited");
    assert_eq!(containers(&listing), ["a", "b"]);
    assert_eq!(listing.bad.len(), bad, "{:#?}", listing.bad);
    for found in &listing.bad {
        assert!(is_bad(found.path.as_os_str()), "{found:?}");
        assert!(fs::symlink_metadata(&found.path).is_ok(), "{found:?}");
    }
    let earlier = fs::read(at("binary.json.bad")).expect("kept");
    assert_eq!(earlier, b"earlier");
    let again = spool.read_all().expect("a listing");
    assert_eq!((again.bad.len(), again.bad_total), (0, bad + 1));
    assert!(again.bad_example.is_some());
}

#[test]
fn a_spool_of_thousands_is_read_by_pages_and_each_entry_once() {
    let (_dir, spool) = spool();
    spool.write(&del("first", 1)).expect("written");
    let all: BTreeSet<String> = (0..3 * PAGE).map(|n| format!("c{n}")).collect();
    for container in &all {
        let del = del(container, 2);
        let text = serde_json::to_vec(&del).expect("JSON");
        fs::write(spool.dir.join(del.file_name()), text).expect("written");
    }
    let (mut found, mut pages, mut after) = (BTreeSet::new(), 0, None);
    loop {
        let page = spool.read_after(after.as_deref()).expect("a page");
        assert!(page.entries.len() <= PAGE);
        pages += 1;
        for container in containers(&page) {
            assert!(found.insert(container.to_owned()), "{container} twice");
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(found.remove("first"));
    assert_eq!((pages, found), (4, all));
    assert_eq!(spool.read_all().expect("all").entries.len(), 3 * PAGE + 1);
}

#[test]
fn a_directory_that_others_may_enter_is_closed_and_one_of_theirs_is_refused() {
    let (_dir, spool) = spool();
    spool.write(&del("a", 1)).expect("written");
    fs::set_permissions(&spool.dir, fs::Permissions::from_mode(0o777)).expect("ours");
    spool.read_all().expect("a listing");
    let mode = fs::metadata(&spool.dir)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o700);
    if geteuid().is_root() {
        chown(&spool.dir, Some(NOBODY), None).expect("root may");
        let read = spool.read_all().expect_err("it is not ours").to_string();
        let write = spool.write(&del("b", 1)).expect_err("nor here").to_string();
        for refused in [read, write] {
            assert!(refused.contains("chown -R"), "{refused}");
        }
    }
}

#[test]
fn a_dangling_spool_is_an_error() {
    let dir = TempDir::new().expect("a directory");
    let link = dir.path().join("spool");
    symlink("/mnt/not-mounted/spool", &link).expect("a link");
    let spool = Spool::new(&link);
    assert!(spool.read_all().is_err());
    assert!(spool.write(&del("a", 1)).is_err());
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
}

#[test]
fn waiting_for_the_lock_times_out() {
    let (_dir, spool) = spool();
    spool.write(&del("a", 1)).expect("written");
    let held = File::open(&spool.dir).expect("opens");
    held.lock().expect("free");
    let spool = spool.with_lock_timeout(Duration::from_millis(50));
    let refused = spool.read_all().expect_err("it is held").to_string();
    assert!(refused.contains("held its lock"), "{refused}");
    assert!(spool.write(&del("b", 1)).is_err());
    // Who attaches only looks for one entry, and does not wait.
    assert!(spool.find(&del("a", 1).request.key).is_some());
    drop(held);
    assert_eq!(containers(&spool.read_all().expect("free again")), ["a"]);
}
