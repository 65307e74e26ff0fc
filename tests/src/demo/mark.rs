//! The mark that every probe bears in its payload, so that a frame on any wire tells who sent
//! it to whom, whatever its headers say by then.

/// What a mark begins with.
const MAGIC: [u8; 8] = *b"FLATNETP";
/// A mark's length in bytes: as long as `ping -p` takes a pattern.
const LENGTH: usize = 16;

/// Who asks whom, as indices into the endpoints, and in which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) from: u16,
    pub(super) to: u16,
    /// Different for each run: frames of another one are not counted.
    pub(super) run: u32,
}

impl Mark {
    /// The pattern for `ping -p`: hexadecimal, repeated by ping over the whole payload.
    pub(super) fn pattern(self) -> String {
        let rest = [self.from.to_be_bytes(), self.to.to_be_bytes()].concat();
        let bytes = MAGIC.into_iter().chain(rest).chain(self.run.to_be_bytes());
        bytes.map(|b| format!("{b:02x}")).collect()
    }

    /// The first whole mark in some bytes.
    pub(super) fn find(bytes: &[u8]) -> Option<Self> {
        let at = bytes.windows(LENGTH).find(|w| w.starts_with(&MAGIC))?;
        Some(Self {
            from: u16::from_be_bytes([at[8], at[9]]),
            to: u16::from_be_bytes([at[10], at[11]]),
            run: u32::from_be_bytes([at[12], at[13], at[14], at[15]]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        from: 3,
        to: 517,
        run: 0xdead_beef,
    };

    /// What ping makes of a pattern: 16 bytes of time, then the pattern again and again.
    pub(in super::super) fn payload(mark: Mark, shift: usize) -> Vec<u8> {
        let pattern: Vec<u8> = (0..LENGTH)
            .map(|i| u8::from_str_radix(&mark.pattern()[2 * i..2 * i + 2], 16).expect("hex"))
            .collect();
        let filled = pattern.iter().cycle().skip(shift).take(40);
        [0u8; 16].iter().chain(filled).copied().collect()
    }

    #[test]
    fn a_mark_is_found_wherever_the_repeated_pattern_begins() {
        for shift in 0..LENGTH {
            assert_eq!(
                Mark::find(&payload(MARK, shift)),
                Some(MARK),
                "shift {shift}"
            );
        }
    }

    #[test]
    fn half_a_mark_is_none() {
        assert_eq!(Mark::find(b"FLATNETP and no more"[..15].as_ref()), None);
        assert_eq!(Mark::find(&[]), None);
    }

    #[test]
    fn a_pattern_is_as_long_as_ping_takes_it() {
        assert_eq!(MARK.pattern().len(), 32);
    }
}
