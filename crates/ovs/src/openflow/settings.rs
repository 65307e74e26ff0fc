//! The switch's settings, which are in no database (OpenFlow 1.4.1 §7.3.2): after each restart
//! of the switch they are back to what they were built in.

use std::fmt;

use serde::Serialize;

use super::wire::{DecodeError, Reader};

/// What the switch does with fragments of IP (`ovs-ofctl get-frags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FragMode {
    /// OFPC_FRAG_NORMAL: the flow tables decide, and a fragment's transport ports are 0.
    #[default]
    Normal,
    /// OFPC_FRAG_DROP.
    Drop,
    /// OFPC_FRAG_REASM: the switch joins them first; Open vSwitch cannot.
    Reassemble,
    /// Open vSwitch's OFPC_FRAG_NX_MATCH: as `Normal`, but the first fragment keeps its ports.
    NxMatch,
}

impl FragMode {
    fn bits(self) -> u16 {
        match self {
            Self::Normal => 0,
            Self::Drop => 1,
            Self::Reassemble => 2,
            Self::NxMatch => 3,
        }
    }
}

/// In the words of `ovs-ofctl set-frags`.
impl fmt::Display for FragMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::Drop => "drop",
            Self::Reassemble => "reassemble",
            Self::NxMatch => "nx-match",
        })
    }
}

/// The settings of the switch and of a connection to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Of the whole bridge.
    pub fragments: FragMode,
    /// How many bytes of a packet the switch sends to this connection; other connections have
    /// a number of their own.
    pub miss_send_len: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fragments: FragMode::Normal,
            miss_send_len: 128,
        }
    }
}

/// OFPC_FRAG_MASK.
const FRAGMENTS: u16 = 3;

impl Settings {
    /// Appends the body of a SET_CONFIG.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.fragments.bits().to_be_bytes());
        out.extend_from_slice(&self.miss_send_len.to_be_bytes());
    }

    /// Reads the body of a GET_CONFIG's answer.
    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let fragments = match r.u16()? & FRAGMENTS {
            0 => FragMode::Normal,
            1 => FragMode::Drop,
            2 => FragMode::Reassemble,
            _ => FragMode::NxMatch,
        };
        Ok(Self {
            fragments,
            miss_send_len: r.u16()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_sent() {
        use FragMode::{Drop, Normal, NxMatch, Reassemble};
        for fragments in [Normal, Drop, Reassemble, NxMatch] {
            let settings = Settings {
                fragments,
                miss_send_len: 65535,
            };
            let mut bytes = Vec::new();
            settings.encode(&mut bytes);
            assert_eq!(Settings::decode(&mut Reader::new(&bytes)), Ok(settings));
        }
        assert!(Settings::decode(&mut Reader::new(&[0, 1, 0])).is_err());
    }
}
