//! The store in a file: who may open it, and what happens to a damaged one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use redb::{Database, TableDefinition};

use super::*;
use crate::store::{RedbBackend, SCHEMA, Snapshot};

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ipam.redb");
    (dir, path)
}

fn open(path: &Path) -> Result<(Ipam, Recovery), StoreError> {
    Ipam::open(path, four(), BOOT, at(0))
}

fn fill(path: &Path) {
    let (ipam, _) = open(path).expect("it opens");
    for n in 0..3 {
        let _ = ipam.reserve(&key(n), &unnamed(), at(0)).expect("room");
    }
    let generation = ipam.get(&key(0)).expect("there").generation;
    let _ = ipam.release(&key(0), generation, at(1)).expect("there");
}

#[test]
fn one_process_holds_the_store_and_a_second_gets_its_pid() {
    let (_dir, path) = place();
    let first = open(&path).expect("it opens");
    let error = open(&path).expect_err("it is held");
    assert!(
        matches!(error, StoreError::Held { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(error.is_retryable());
    drop(first);
    open(&path).expect("it is free again");
}

#[test]
fn only_its_owner_can_read_the_store() {
    let (dir, path) = place();
    fill(&path);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    for entry in fs::read_dir(dir.path()).expect("a directory") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    fill_again(&path);
    assert_eq!(mode(&path), 0o600);
}

fn fill_again(path: &Path) {
    let (_ipam, recovery) = open(path).expect("it opens");
    assert_eq!(recovery.uncommitted.len(), 2);
}

#[test]
fn an_empty_file_is_damage_and_is_left_alone() {
    let (_dir, path) = place();
    fs::write(&path, b"").expect("it is written");
    let error = open(&path).expect_err("it is empty");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("drain this node"), "{error}");
    assert_eq!(fs::metadata(&path).expect("there").len(), 0);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (_dir, path) = place();
    let text = "addresses:\n".repeat(1000);
    fs::write(&path, &text).expect("it is written");
    let error = open(&path).expect_err("it is no database");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(&path).expect("there"), text);
}

#[test]
fn an_incomplete_store_of_a_first_start_is_created_again() {
    let (dir, path) = place();
    fs::write(dir.path().join("ipam.redb.new"), b"half").expect("it is written");
    fill(&path);
    fill_again(&path);
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let (_dir, path) = place();
    fill(&path);
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    {
        let database = Database::open(&path).expect("it opens");
        let txn = database.begin_write().expect("it writes");
        txn.open_table(meta)
            .expect("it is there")
            .insert("schema", SCHEMA + 1)
            .expect("it writes");
        txn.commit().expect("it writes");
    }
    let error = open(&path).expect_err("it is newer");
    assert!(
        matches!(error, StoreError::NewerSchema { found, supported, .. }
            if found == SCHEMA + 1 && supported == SCHEMA),
        "{error}"
    );
    assert!(!error.is_retryable());
}

#[test]
fn a_store_without_its_tables_is_damaged() {
    let (_dir, path) = place();
    drop(Database::create(&path).expect("it is made"));
    let error = open(&path).expect_err("no table is there");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[test]
fn a_file_damaged_anywhere_is_refused_or_read_correctly_and_never_replaced() {
    let (_dir, path) = place();
    fill(&path);
    let whole = fs::read(&path).expect("it is there");
    let right = RedbBackend::open(&path)
        .and_then(|mut b| b.load())
        .expect("it is whole");
    let mut refused = 0;
    let cuts = [1, 2, 4].map(|n| whole[..whole.len() * n / 5].to_vec());
    let flips = (0..whole.len()).step_by(997).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x5a;
        bytes
    });
    for bytes in flips.chain(cuts) {
        fs::write(&path, &bytes).expect("it is written");
        let read = RedbBackend::open(&path).and_then(|mut b| b.load());
        match read {
            Ok(snapshot) => assert_eq!(snapshot, right),
            Err(StoreError::Corrupt { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > 3, "{refused} were refused");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = open(Path::new("/nonexistent/flatnet/ipam.redb")).expect_err("no directory");
    assert!(matches!(error, StoreError::Read { doing: "lock", .. }));
    assert!(
        error.to_string().contains("/nonexistent/flatnet"),
        "{error}"
    );
}

/// Copies the file after each commit, as a crash would leave it.
struct Copying {
    inner: RedbBackend,
    path: PathBuf,
    copies: Vec<(Snapshot, PathBuf)>,
    expected: Snapshot,
}

impl Copying {
    fn commit(&mut self, changes: &[Change]) {
        self.inner.apply(changes).expect("it is written");
        for change in changes {
            self.expected.apply(change);
        }
        let copy = self.path.with_extension(self.copies.len().to_string());
        fs::copy(&self.path, &copy).expect("it is copied");
        self.copies.push((self.expected.clone(), copy));
    }
}

#[test]
fn the_file_copied_at_any_commit_holds_exactly_what_was_committed() {
    let (_dir, path) = place();
    fill(&path);
    let mut inner = RedbBackend::open(&path).expect("it opens");
    let expected = inner.load().expect("it is read");
    let mut copying = Copying {
        inner,
        path,
        copies: Vec::new(),
        expected,
    };
    let template = copying
        .expected
        .records
        .values()
        .next()
        .expect("one")
        .clone();
    for n in 1..=20_u64 {
        let record = Arc::new(Record {
            generation: 1_000 + n,
            ..Record::clone(&template)
        });
        copying.commit(&[Change::Put(record), Change::Ceiling(2_000 + n)]);
        if n > 3 {
            let row = crate::store::ReleasedRow {
                seq: n,
                ip: ip(if n % 2 == 0 {
                    "2001:db8::1"
                } else {
                    "10.0.0.9"
                }),
                at: at(n),
                slot: 3,
                generation: 1_000 + n - 3,
            };
            copying.commit(&[
                Change::Remove(1_000 + n - 3),
                Change::Released(row),
                Change::Forgotten(n - 2),
            ]);
        }
    }
    for (expected, copy) in &copying.copies {
        let found = RedbBackend::open(copy).and_then(|mut b| b.load());
        assert_eq!(&found.expect("it opens"), expected, "{}", copy.display());
    }
}

/// Says that the limit is there.
const LIMITED: &str = "FLATNET_TEST_FILE_SIZE_LIMITED";

/// Run by the test below in a process of its own, whose files may not grow beyond a limit.
#[test]
#[ignore = "needs a limit on the size of files"]
fn life_on_a_full_disk() {
    if std::env::var_os(LIMITED).is_none() {
        return;
    }
    let (_dir, path) = place();
    let wide = config([range("10.0.0.0/16", "10.0.0.0/16", "10.0.0.1")]);
    let (ipam, _) = Ipam::open(&path, wide.clone(), BOOT, at(0)).expect("it opens");
    let mut kept = 0;
    let error = (0..10_000).find_map(|n| {
        let (_, durable) = ipam.reserve(&key(n), &unnamed(), at(0)).expect("room");
        let error = durable.wait().err();
        kept += usize::from(error.is_none());
        error
    });
    let error = error.expect("the disk is full");
    assert!(error.is_retryable(), "{error}");
    assert!(kept > 10, "{kept} were kept");
    ipam.flush().wait().expect("nothing is on its way");
    assert_eq!(ipam.list().len(), kept, "memory is what the disk has");

    let pid = std::process::id().to_string();
    let lifted = std::process::Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited"])
        .status();
    assert!(lifted.expect("prlimit is there").success());
    let repaired = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        ipam.has_free(&net(), at(0))
    });
    assert!(repaired, "the writer repairs the store by itself");
    let (_, durable) = ipam.reserve(&key(99_999), &unnamed(), at(0)).expect("room");
    durable.wait().expect("there is space again");
    drop(ipam);
    let (_, recovery) = Ipam::open(&path, wide, BOOT, at(1)).expect("it opens");
    assert_eq!(recovery.uncommitted.len(), kept + 1);
}

#[test]
fn a_full_disk_loses_nothing_and_writes_resume_when_there_is_space() {
    // The signal that the limit sends is ignored, so that the write fails instead.
    let child = std::process::Command::new("sh")
        .args([
            "-c",
            r#"trap "" XFSZ; exec prlimit --fsize=131072: "$@""#,
            "sh",
        ])
        .arg(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "ipam::tests::file::life_on_a_full_disk",
            "--ignored",
        ])
        .env(LIMITED, "1")
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn a_store_that_is_lost_within_its_boot_is_not_created_again() {
    let (_dir, path) = place();
    fill(&path);
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).expect("moved");
    // However often it is tried.
    for _ in 0..2 {
        let error = open(&path).expect_err("it is gone");
        assert!(matches!(error, StoreError::Lost { .. }), "{error:?}");
        for words in ["ipam.redb is gone", "ipam.redb.lock", "drain this node"] {
            assert!(error.to_string().contains(words), "{error}");
        }
        assert!(!path.exists());
    }
    // Put back, it is as it was.
    fs::rename(&aside, &path).expect("moved");
    fill_again(&path);
    // After a reboot there are no attachments, so an empty store is right.
    fs::remove_file(&path).expect("removed");
    let lock = crate::store::with_suffix(&path, "lock");
    let text = fs::read_to_string(&lock).expect("a lock");
    let pid = text.lines().next().expect("a process");
    fs::write(&lock, format!("{pid}\n00000000-another-boot\n")).expect("written");
    let (_, recovery) = open(&path).expect("made anew");
    assert!(recovery.uncommitted.is_empty());
}

#[test]
fn a_store_whose_path_is_a_dangling_link_or_no_file_is_refused_and_left_alone() {
    let (dir, path) = place();
    std::os::unix::fs::symlink("/mnt/not-mounted/ipam.redb", &path).expect("a link");
    let error = open(&path).expect_err("nothing is mounted");
    assert!(matches!(error, StoreError::Read { .. }), "{error:?}");
    let cause = std::error::Error::source(&error)
        .expect("a cause")
        .to_string();
    assert!(cause.contains("/mnt/not-mounted/ipam.redb"), "{cause}");
    assert!(fs::symlink_metadata(&path).expect("there").is_symlink());
    fs::remove_file(&path).expect("removed");

    fs::create_dir(&path).expect("a directory");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let error = open(&path).expect_err("a directory");
    let cause = std::error::Error::source(&error)
        .expect("a cause")
        .to_string();
    assert!(cause.contains("it is a directory"), "{cause}");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    fs::remove_dir(&path).expect("removed");

    // A link to a store is the store.
    let there = dir.path().join("there.redb");
    std::os::unix::fs::symlink(&there, &path).expect("a link");
    fs::File::create(&there).expect("made");
    let error = open(&path).expect_err("it is empty");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}
