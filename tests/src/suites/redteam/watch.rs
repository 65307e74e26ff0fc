//! What arrives where, while it arrives: captures that are read as they grow.
//!
//! ```text
//!   tcpdump at each place ─▶ [records] ─▶ mark, or the bytes of a frame that has room for none
//!                                          └─▶ Arrivals: which frame, where, as what
//! ```

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::oracle::Place;
use crate::suites::kit::wire::tcpdump;

/// How a mark begins; the process's number and the frame's follow.
const MAGIC: [u8; 4] = [0xf1, 0x7e, 0xa4, 0x5d];
/// The length of a mark.
const MARK: usize = 12;
/// Where the MACs end.
const MACS: usize = 12;

/// The number of a frame that was sent; no other of this process has it.
pub(super) type Number = u32;

/// The mark of a frame.
pub(super) fn mark(number: Number) -> [u8; MARK] {
    let mut mark = [0; MARK];
    mark[..4].copy_from_slice(&MAGIC);
    mark[4..8].copy_from_slice(&std::process::id().to_be_bytes());
    mark[8..].copy_from_slice(&number.to_be_bytes());
    mark
}

#[derive(Default)]
struct Seen {
    /// For each frame, where it arrived, and what first arrived there.
    arrivals: HashMap<Number, BTreeMap<Place, Vec<u8>>>,
    /// Frames without a mark by what is behind MACs and tags.
    unmarked: HashMap<Vec<u8>, Number>,
}

/// What arrived, shared with the readers of all captures.
#[derive(Clone, Default)]
pub(super) struct Arrivals(Arc<(Mutex<Seen>, Condvar)>);

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame that has no room for a mark is known by its bytes.
    pub(super) fn expect(&self, frame: &[u8], number: Number) {
        self.lock().unmarked.insert(body(frame).to_vec(), number);
    }

    fn note(&self, place: Place, frame: &[u8]) {
        let mut seen = self.lock();
        let number = number(frame).or_else(|| seen.unmarked.get(body(frame)).copied());
        let Some(number) = number else { return };
        let places = seen.arrivals.entry(number).or_default();
        places.entry(place).or_insert_with(|| frame.to_vec());
        self.0.1.notify_all();
    }

    /// Where a frame arrived, and as what.
    pub(super) fn of(&self, number: Number) -> BTreeMap<Place, Vec<u8>> {
        let seen = self.lock();
        seen.arrivals.get(&number).cloned().unwrap_or_default()
    }

    /// Waits until a frame has arrived somewhere; whether it has.
    pub(super) fn wait_anywhere(&self, number: Number, limit: Duration) -> bool {
        let absent = |seen: &mut Seen| !seen.arrivals.contains_key(&number);
        let waited = self.0.1.wait_timeout_while(self.lock(), limit, absent);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits until each of these places has seen one of these frames; gives those that have not.
    pub(super) fn wait(&self, places: &[Place], numbers: &[Number], limit: Duration) -> Vec<Place> {
        let end = Instant::now() + limit;
        let mut seen = self.lock();
        loop {
            let arrived = |place: &Place| {
                let mut frames = numbers.iter().filter_map(|n| seen.arrivals.get(n));
                frames.any(|there| there.contains_key(place))
            };
            let missing: Vec<Place> = places.iter().copied().filter(|p| !arrived(p)).collect();
            let left = end.saturating_duration_since(Instant::now());
            if missing.is_empty() || left.is_zero() {
                return missing;
            }
            let waited = self.0.1.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Forgets everything: what is sent later has other numbers.
    pub(super) fn clear(&self) {
        *self.lock() = Seen::default();
    }
}

/// The number in a frame's mark.
fn number(frame: &[u8]) -> Option<Number> {
    let own = std::process::id().to_be_bytes();
    let marks = frame
        .windows(MARK)
        .find(|w| w[..4] == MAGIC && w[4..8] == own)?;
    marks[8..].try_into().ok().map(Number::from_be_bytes)
}

/// What is behind MACs and tags.
fn body(frame: &[u8]) -> &[u8] {
    let mut rest = frame.get(MACS..).unwrap_or_default();
    while let [0x81, 0x00, _, _, behind @ ..] | [0x88, 0xa8, _, _, behind @ ..] = rest {
        rest = behind;
    }
    rest
}

/// A capture; it ends when dropped.
pub(super) struct Watch {
    child: Child,
    reader: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts one in a namespace, and waits until it listens.
    ///
    /// # Errors
    /// If tcpdump does not start or does not find the interface.
    pub(super) fn start(
        place: Place,
        netns: &Path,
        what: &[&str],
        arrivals: &Arrivals,
    ) -> Result<Self> {
        let mut child = tcpdump(netns, what)?;
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let mut watch = Self {
            child,
            reader: None,
        };
        let mut stderr = BufReader::new(stderr.context("tcpdump has no stderr")?);
        let mut said = String::new();
        while !said.contains("listening on") {
            if stderr.read_line(&mut said)? == 0 {
                bail!("tcpdump at {place:?}: {}", said.trim());
            }
        }
        let stdout = BufReader::new(stdout.context("tcpdump has no stdout")?);
        let arrivals = arrivals.clone();
        watch.reader = Some(std::thread::spawn(move || {
            // It ends as the capture does, with the last whole record.
            let _ = records(stdout, |frame| arrivals.note(place, frame));
        }));
        Ok(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Both fail harmlessly on one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Reads a capture of this machine (pcap-savefile(5)) as it comes.
fn records(mut from: impl Read, mut each: impl FnMut(&[u8])) -> std::io::Result<()> {
    from.read_exact(&mut [0; 24])?;
    loop {
        let mut header = [0; 16];
        from.read_exact(&mut header)?;
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = header;
        let kept = u32::from_ne_bytes([a, b, c, d]);
        let mut frame = vec![0; usize::try_from(kept).unwrap_or(0)];
        from.read_exact(&mut frame)?;
        each(&frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_by_its_mark_and_one_without_by_its_bytes() {
        let arrivals = Arrivals::default();
        let mut marked = vec![0; 20];
        marked.extend(mark(7));
        arrivals.note(Place::Near, &marked);
        assert!(arrivals.of(7).contains_key(&Place::Near));

        let mut sent = vec![1; 12];
        sent.extend([0x81, 0, 0, 5, 0x08, 0x00, 0x45]);
        arrivals.expect(&sent, 8);
        let mut came = vec![2; 12];
        came.extend([0x08, 0x00, 0x45]);
        arrivals.note(Place::Far, &came);
        assert!(arrivals.of(8).contains_key(&Place::Far));
        let wait =
            |numbers: &[Number]| arrivals.wait(&[Place::Near, Place::Far], numbers, Duration::ZERO);
        assert!(wait(&[7, 8]).is_empty());
        assert_eq!(wait(&[7]), [Place::Far]);
    }

    #[test]
    fn records_are_read_until_the_last_whole_one() {
        let mut file = vec![0; 24];
        for size in [3_u32, 5] {
            file.extend([0; 8]);
            file.extend(size.to_ne_bytes());
            file.extend(size.to_ne_bytes());
            file.extend([9; 3]);
        }
        let mut frames = Vec::new();
        let end = records(&file[..], |f| frames.push(f.to_vec()));
        assert!(end.is_err());
        assert_eq!(frames, [vec![9; 3]]);
    }
}
