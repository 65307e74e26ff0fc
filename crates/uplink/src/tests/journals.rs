//! A journal that a disk or a person has altered.

use std::fs;
use std::os::unix::fs::symlink;

use super::host::{inventory, target};
use crate::journal::{JOURNAL_FILE, Journal, Store, unfinished};
use crate::plan::plan;

#[test]
fn a_journal_that_is_not_what_was_written_is_refused_named_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, path) = (Store::new(dir.path()), dir.path().join(JOURNAL_FILE));
    let plan = plan(&target(), &inventory()).expect("a plan");
    let journal = Journal::new(&plan, "br-flat", "boot");
    assert!(!unfinished(dir.path()).expect("there is none"));
    store.save(&journal).expect("saved");
    let whole = fs::read(&path).expect("read");
    assert_eq!(store.load().expect("loads"), Some(journal.clone()));
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        let error = store.load().expect_err("refused").to_string();
        assert!(error.contains(JOURNAL_FILE), "{error}");
        assert!(error.contains("restore the uplink by hand"), "{error}");
        assert!(unfinished(dir.path()).is_err(), "it may be unfinished");
        assert_eq!(fs::read(&path).expect("there"), bytes);
    };
    for end in (0..whole.len()).step_by(5) {
        refused(&whole[..end]);
    }
    let text = String::from_utf8(whole.clone()).expect("text");
    refused(text.replace("eth0", "eth1").as_bytes());
    refused(text.replace("\"version\": 1", "\"version\": 9").as_bytes());
    for at in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).expect("written");
        if let Ok(read) = store.load() {
            assert_eq!(read.as_ref(), Some(&journal), "byte {at}");
        }
    }
}

#[test]
fn a_journal_that_leads_nowhere_or_is_no_file_is_not_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, path) = (Store::new(dir.path()), dir.path().join(JOURNAL_FILE));
    for target in ["/mnt/not-mounted/journal", "/dev/zero", "/"] {
        symlink(target, &path).expect("a link");
        let error = store.load().expect_err("refused").to_string();
        assert!(error.contains(JOURNAL_FILE), "{error}");
        assert!(unfinished(dir.path()).is_err());
        fs::remove_file(&path).expect("removed");
    }
}
