//! When a file that is looked at again and again is to be read: pure, but for [`stamp`].

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file's device, inode, size in bytes, and time of change in seconds and nanoseconds; `None`:
/// there is no file. Symbolic links are followed, so that the swap of a ConfigMap's link is another
/// file.
pub(super) type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// The stamp of now. Blocks, on a file system that hangs for long.
pub(super) fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    let changed = (file.ctime(), file.ctime_nsec());
    Some((file.dev(), file.ino(), file.size(), changed.0, changed.1))
}

/// What the looks so far have seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Looks {
    /// At the last look.
    last: Option<Stamp>,
    /// Looks in a row, up to the last, that each found another inode than the one before.
    replaced: u32,
    /// When it was read.
    read: Option<Stamp>,
}

/// From so many on a file is taken to be replaced by rename again and again.
const REPLACED: u32 = 2;

impl Looks {
    /// Whether to read it now: it is as it was at the look before, and not as it was when it was
    /// read. A file that is being written in place has another stamp at each look, and the first
    /// half of a plan can be a sound plan with fewer hosts. Two writes within one tick of the
    /// kernel's clock have one stamp, but the second is there by the next look.
    ///
    /// A file that is replaced by rename more often than it is looked at is never still; each that
    /// takes its place is whole, and is read.
    pub(super) fn due(&mut self, now: Stamp) -> bool {
        let last = self.last.replace(now);
        let other = match (last.flatten(), now) {
            (Some((device, inode, ..)), Some(now)) => (device, inode) != (now.0, now.1),
            // One that was away may be being written.
            _ => false,
        };
        self.replaced = if other { self.replaced + 1 } else { 0 };
        let still = last == Some(now);
        (still || self.replaced >= REPLACED) && self.read != Some(now)
    }

    /// It was read, and had this stamp before and after.
    pub(super) fn was_read(&mut self, stamp: Stamp) {
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
    fn a_file_is_read_once_it_is_still_and_not_again() {
        let mut looks = Looks::default();
        assert!(!looks.due(file(1, 10)), "nothing is known of it yet");
        assert!(looks.due(file(1, 10)));
        looks.was_read(file(1, 10));
        assert!(!looks.due(file(1, 10)));
        // It is being written.
        assert!(!looks.due(file(1, 20)));
        assert!(!looks.due(file(1, 30)));
        assert!(looks.due(file(1, 30)));
        // While it was read it grew: it was not read.
        assert!(!looks.due(file(1, 40)));
        assert!(looks.due(file(1, 40)));
    }

    #[test]
    fn a_file_that_is_away_for_a_moment_is_not_gone() {
        let mut looks = Looks::default();
        looks.due(file(1, 10));
        assert!(looks.due(file(1, 10)));
        looks.was_read(file(1, 10));
        assert!(!looks.due(None));
        assert!(!looks.due(file(2, 10)));
        assert!(looks.due(file(2, 10)));
        looks.was_read(file(2, 10));
        assert!(!looks.due(None));
        assert!(looks.due(None), "it stays away");
    }

    #[test]
    fn a_file_that_is_replaced_faster_than_it_is_looked_at_is_read() {
        let mut looks = Looks::default();
        assert!(!looks.due(file(1, 10)));
        assert!(!looks.due(file(2, 10)), "it may be being written");
        for inode in 3..9 {
            assert!(looks.due(file(inode, 10)), "{inode}");
            looks.was_read(file(inode, 10));
        }
    }
}
