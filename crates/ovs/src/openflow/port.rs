//! Ports of the switch: their numbers, descriptions and changes (OpenFlow 1.4.1 §7.2.1).

use std::fmt;

use flatnet_types::MacAddr;

use super::wire::{DecodeError, Reader};

/// Numbers from here on are reserved.
pub const MAX: u32 = 0xffff_ff00;
/// Back to where the frame came from.
pub const IN_PORT: u32 = 0xffff_fff8;
/// As a switch that learns would do it.
pub const NORMAL: u32 = 0xffff_fffa;
/// All ports but the one that the frame came from.
pub const ALL: u32 = 0xffff_fffc;
/// To the controllers.
pub const CONTROLLER: u32 = 0xffff_fffd;
/// The bridge's own interface.
pub const LOCAL: u32 = 0xffff_fffe;
/// No port, or any.
pub const ANY: u32 = 0xffff_ffff;

/// Writes a port's number as ovs-ofctl does.
pub(crate) fn show(number: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match number {
        IN_PORT => f.write_str("IN_PORT"),
        NORMAL => f.write_str("NORMAL"),
        ALL => f.write_str("ALL"),
        CONTROLLER => f.write_str("CONTROLLER"),
        LOCAL => f.write_str("LOCAL"),
        ANY => f.write_str("ANY"),
        n => write!(f, "{n}"),
    }
}

/// What the switch says of a port (OpenFlow 1.4.1 §7.2.1, `ofp_port`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortDesc {
    /// Its number, `ofport` in OVSDB.
    pub number: u32,
    /// Its interface's name.
    pub name: String,
    /// Its MAC address.
    pub mac: MacAddr,
    /// It is administratively down (OFPPC_PORT_DOWN).
    pub admin_down: bool,
    /// There is no carrier (OFPPS_LINK_DOWN).
    pub link_down: bool,
    /// Somebody forbade it to receive or to send (OFPPC_NO_RECV, OFPPC_NO_FWD), as
    /// `ovs-ofctl mod-port` does; no database keeps it.
    pub restricted: bool,
}

/// OFPPC_NO_RECV and OFPPC_NO_FWD.
pub(crate) const RESTRICTIONS: u32 = 1 << 2 | 1 << 5;

const OFPPC_PORT_DOWN: u32 = 1;
const OFPPS_LINK_DOWN: u32 = 1;

impl PortDesc {
    /// Reads one `ofp_port` with its properties.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = r.u32()?;
        let length = usize::from(r.u16()?);
        // Of the length, the number and the length itself are read.
        let mut r = r.sub(length.checked_sub(6).ok_or(DecodeError::Length)?)?;
        r.skip(2)?;
        let mac = MacAddr(r.array()?);
        r.skip(2)?;
        let name: [u8; 16] = r.array()?;
        let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
        let name = String::from_utf8_lossy(&name[..end]).into_owned();
        let (config, state) = (r.u32()?, r.u32()?);
        Ok(Self {
            number,
            name,
            mac,
            admin_down: config & OFPPC_PORT_DOWN != 0,
            link_down: state & OFPPS_LINK_DOWN != 0,
            restricted: config & RESTRICTIONS != 0,
        })
    }
}

/// A change of a port (OpenFlow 1.4.1 §7.4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortEvent {
    /// The port is new.
    Added(PortDesc),
    /// Its description changed.
    Modified(PortDesc),
    /// It is gone; its last description.
    Deleted(PortDesc),
    /// The whole list was fetched, after a connection came about: look at
    /// [`Switch::ports`](super::Switch::ports).
    Resync,
}

impl PortEvent {
    /// Reads the body of a PORT_STATUS.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let reason = r.u8()?;
        r.skip(7)?;
        let desc = PortDesc::decode(r)?;
        match reason {
            0 => Ok(Self::Added(desc)),
            1 => Ok(Self::Deleted(desc)),
            2 => Ok(Self::Modified(desc)),
            _ => Err(DecodeError::Value),
        }
    }
}

/// Which port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortSelector {
    /// The one with this interface name.
    Name(String),
    /// The one with this number.
    Number(u32),
}

impl PortSelector {
    /// Whether it is this one.
    pub fn selects(&self, port: &PortDesc) -> bool {
        match self {
            Self::Name(name) => port.name == *name,
            Self::Number(number) => port.number == *number,
        }
    }
}
