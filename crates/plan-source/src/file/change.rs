//! Decides when a polled file is to be read. Pure, except for [`stamp`].

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file's device, inode, size in bytes, and time of change in seconds and nanoseconds; `None`:
/// there is no file. Symbolic links are followed, so that the swap of a ConfigMap's link is another
/// file.
pub(super) type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// The current stamp. Blocks while the file system hangs.
pub(super) fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    let changed = (file.ctime(), file.ctime_nsec());
    Some((file.dev(), file.ino(), file.size(), changed.0, changed.1))
}

/// State of the polling.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChangeDetector {
    /// Stamp at the last poll.
    last: Option<Stamp>,
    /// Number of consecutive polls, up to the last, that each found another inode.
    replaced: u32,
    /// Stamp when the file was last read.
    read: Option<Stamp>,
}

/// From this many on, the file is considered to be replaced by rename faster than it is polled.
const REPLACED_MIN: u32 = 2;

impl ChangeDetector {
    /// Whether to read the file now: its stamp equals that of the last poll, and differs from that
    /// of the last read. A file that is being written in place has another stamp at each poll; it
    /// must not be read, because the first half of a plan can be a valid plan with fewer hosts. Two
    /// writes within one tick of the kernel's clock have the same stamp, but the second is done by
    /// the next poll.
    ///
    /// A file that is replaced by rename more often than it is polled never has the same stamp
    /// twice. It is read nevertheless: a file that replaces another by rename is complete.
    pub(super) fn should_read(&mut self, now: Stamp) -> bool {
        let last = self.last.replace(now);
        let other = match (last.flatten(), now) {
            (Some((device, inode, ..)), Some(now)) => (device, inode) != (now.0, now.1),
            // A file that was missing at the last poll may be incomplete.
            _ => false,
        };
        self.replaced = if other { self.replaced + 1 } else { 0 };
        let still = last == Some(now);
        (still || self.replaced >= REPLACED_MIN) && self.read != Some(now)
    }

    /// Records that the file was read, with this stamp before and after.
    pub(super) fn mark_read(&mut self, stamp: Stamp) {
        self.read = Some(stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn file(inode: u64, size: u64) -> Stamp {
        Some((1, inode, size, 0, 0))
    }

    #[test]
    fn a_file_is_read_once_it_is_unchanged_and_not_again() {
        let mut detector = ChangeDetector::default();
        assert!(
            !detector.should_read(file(1, 10)),
            "nothing is known of it yet"
        );
        assert!(detector.should_read(file(1, 10)));
        detector.mark_read(file(1, 10));
        assert!(!detector.should_read(file(1, 10)));
        // It is being written.
        assert!(!detector.should_read(file(1, 20)));
        assert!(!detector.should_read(file(1, 30)));
        assert!(detector.should_read(file(1, 30)));
        // While it was read it grew: it was not read.
        assert!(!detector.should_read(file(1, 40)));
        assert!(detector.should_read(file(1, 40)));
    }

    #[test]
    fn a_file_that_is_missing_at_one_poll_is_not_gone() {
        let mut detector = ChangeDetector::default();
        detector.should_read(file(1, 10));
        assert!(detector.should_read(file(1, 10)));
        detector.mark_read(file(1, 10));
        assert!(!detector.should_read(None));
        assert!(!detector.should_read(file(2, 10)));
        assert!(detector.should_read(file(2, 10)));
        detector.mark_read(file(2, 10));
        assert!(!detector.should_read(None));
        assert!(detector.should_read(None), "it stays away");
    }

    #[test]
    fn a_file_that_is_replaced_faster_than_it_is_polled_is_read() {
        let mut detector = ChangeDetector::default();
        assert!(!detector.should_read(file(1, 10)));
        assert!(
            !detector.should_read(file(2, 10)),
            "it may be being written"
        );
        for inode in 3..9 {
            assert!(detector.should_read(file(inode, 10)), "{inode}");
            detector.mark_read(file(inode, 10));
        }
    }
}
