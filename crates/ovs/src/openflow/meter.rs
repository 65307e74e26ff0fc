//! Meters: rate limits (OpenFlow 1.4.1 §5.7, §7.3.4.5).

use std::time::Duration;

use super::wire::{DecodeError, Reader};

/// What a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum MeterUnit {
    /// Kilobits, of 1000 bits; the burst too.
    Kbps,
    /// Packets.
    Pktps,
}

/// A meter with one band, which drops what exceeds the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Meter {
    /// Its number, from 1.
    pub id: u32,
    /// What is counted.
    pub unit: MeterUnit,
    /// So many a second.
    pub rate: u32,
    /// So many at once after a pause; `None` leaves it to the switch, which takes a
    /// second's worth.
    pub burst: Option<u32>,
}

const OFPMF_KBPS: u16 = 1;
const OFPMF_PKTPS: u16 = 2;
const OFPMF_BURST: u16 = 4;
const OFPMF_STATS: u16 = 8;
const OFPMBT_DROP: u16 = 1;
const BAND: u16 = 16;

impl Meter {
    /// A limit in kilobits a second, with a burst in kilobits.
    pub fn kbps(id: u32, rate: u32, burst: Option<u32>) -> Self {
        Self {
            id,
            unit: MeterUnit::Kbps,
            rate,
            burst,
        }
    }

    /// Appends what follows the command in a METER_MOD.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let unit = match self.unit {
            MeterUnit::Kbps => OFPMF_KBPS,
            MeterUnit::Pktps => OFPMF_PKTPS,
        };
        let burst = if self.burst.is_some() { OFPMF_BURST } else { 0 };
        out.extend_from_slice(&(unit | burst | OFPMF_STATS).to_be_bytes());
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&OFPMBT_DROP.to_be_bytes());
        out.extend_from_slice(&BAND.to_be_bytes());
        out.extend_from_slice(&self.rate.to_be_bytes());
        out.extend_from_slice(&self.burst.unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&[0; 4]);
    }

    /// Reads one `ofp_meter_config`; `None` for a meter of another form than ours.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let length = usize::from(r.u16()?);
        let mut r = r.sub(length.checked_sub(2).ok_or(DecodeError::Length)?)?;
        let (flags, id) = (r.u16()?, r.u32()?);
        if r.len() != usize::from(BAND) || r.u16()? != OFPMBT_DROP {
            return Ok(None);
        }
        r.skip(2)?;
        let (rate, burst) = (r.u32()?, r.u32()?);
        Ok(Some(Self {
            id,
            unit: if flags & OFPMF_PKTPS != 0 {
                MeterUnit::Pktps
            } else {
                MeterUnit::Kbps
            },
            rate,
            burst: (flags & OFPMF_BURST != 0).then_some(burst),
        }))
    }
}

/// A meter's counters (OpenFlow 1.4.1 §7.3.5.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterStats {
    /// The meter's number, from 1.
    pub id: u32,
    /// Flows that use it.
    pub flows: u32,
    /// Packets that came to it.
    pub packets_in: u64,
    /// Bytes that came to it.
    pub bytes_in: u64,
    /// Packets that exceeded the rate of the first band.
    pub packets_dropped: u64,
    /// Bytes that exceeded it.
    pub bytes_dropped: u64,
    /// Since it was made: one that was deleted and made again counts anew.
    pub age: Duration,
}

impl MeterStats {
    /// Reads one `ofp_meter_stats`.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = r.u32()?;
        let length = usize::from(r.u16()?);
        let mut r = r.sub(length.checked_sub(6).ok_or(DecodeError::Length)?)?;
        r.skip(6)?;
        let (flows, packets_in, bytes_in) = (r.u32()?, r.u64()?, r.u64()?);
        let age = Duration::new(u64::from(r.u32()?), r.u32()?.min(999_999_999));
        let (packets_dropped, bytes_dropped) = if r.is_empty() {
            (0, 0)
        } else {
            (r.u64()?, r.u64()?)
        };
        Ok(Self {
            id,
            flows,
            packets_in,
            bytes_in,
            packets_dropped,
            bytes_dropped,
            age,
        })
    }
}
