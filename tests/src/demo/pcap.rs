//! The classic capture format, as `tcpdump -w` writes it (pcap-savefile(5)).

use thiserror::Error;

/// Why a capture cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum PcapError {
    /// It does not begin as a capture does.
    #[error("not a pcap file")]
    NotPcap,
    /// It is of something else than Ethernet.
    #[error("a capture of link type {0}, not of Ethernet")]
    LinkType(u32),
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// The frames of a capture, each as much as was kept of it. A record that is cut off at the
/// end, as a killed tcpdump leaves it, is left out.
///
/// # Errors
/// [`PcapError`] if it is no capture of Ethernet.
pub(crate) fn frames(capture: &[u8]) -> Result<Vec<&[u8]>, PcapError> {
    let read: fn([u8; 4]) -> u32 = match word(capture, 0, u32::from_le_bytes) {
        Some(MICROSECONDS | NANOSECONDS) => u32::from_le_bytes,
        _ => match word(capture, 0, u32::from_be_bytes) {
            Some(MICROSECONDS | NANOSECONDS) => u32::from_be_bytes,
            _ => return Err(PcapError::NotPcap),
        },
    };
    // The upper bits tell of a frame check sequence.
    let link = word(capture, 20, read).ok_or(PcapError::NotPcap)? & 0x0fff_ffff;
    if link != ETHERNET {
        return Err(PcapError::LinkType(link));
    }
    let mut frames = Vec::new();
    let mut at = FILE_HEADER;
    while let Some(length) = word(capture, at + 8, read) {
        let begin = at + RECORD_HEADER;
        let end = usize::try_from(length)
            .ok()
            .and_then(|l| begin.checked_add(l));
        let Some(frame) = end.and_then(|end| capture.get(begin..end)) else {
            break;
        };
        frames.push(frame);
        at = begin + frame.len();
    }
    Ok(frames)
}

fn word(bytes: &[u8], at: usize, read: fn([u8; 4]) -> u32) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    four.try_into().ok().map(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(write: fn(u32) -> [u8; 4], link: u32, frames: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [MICROSECONDS, 0, 0, 0, 256, link] {
            file.extend(write(word));
        }
        for frame in frames {
            let length = u32::try_from(frame.len()).expect("short");
            for word in [1, 2, length, length + 100] {
                file.extend(write(word));
            }
            file.extend(*frame);
        }
        file
    }

    #[test]
    fn frames_come_out_as_they_went_in_in_both_byte_orders() {
        for write in [u32::to_le_bytes, u32::to_be_bytes] {
            let file = capture(write, ETHERNET, &[b"one", b"", b"three"]);
            let read = frames(&file).expect("a capture");
            assert_eq!(read, [&b"one"[..], b"", b"three"]);
        }
    }

    #[test]
    fn a_record_that_is_cut_off_is_left_out() {
        let file = capture(u32::to_le_bytes, ETHERNET, &[b"one", b"three"]);
        for cut in 1..=b"three".len() + RECORD_HEADER {
            let read = frames(&file[..file.len() - cut]).expect("a capture");
            assert_eq!(read, [b"one"], "{cut} bytes less");
        }
    }

    #[test]
    fn what_is_no_capture_of_ethernet_is_refused() {
        assert_eq!(frames(b""), Err(PcapError::NotPcap));
        assert_eq!(frames(&[0; 100]), Err(PcapError::NotPcap));
        let other = capture(u32::to_le_bytes, 113, &[]);
        assert_eq!(frames(&other), Err(PcapError::LinkType(113)));
    }

    #[test]
    fn a_length_beyond_all_bounds_ends_the_reading() {
        let mut file = capture(u32::to_le_bytes, ETHERNET, &[b"one"]);
        file[FILE_HEADER + 8..FILE_HEADER + 12].fill(0xff);
        assert_eq!(frames(&file).expect("a capture").len(), 0);
    }
}
