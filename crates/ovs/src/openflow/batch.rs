//! Changes to a switch, encoded as they are added, to be sent in one write.

use super::action::Action;
use super::flow::{Flow, FlowDiff, FlowKey};
use super::group::Group;
use super::matches::Match;
use super::meter::Meter;
use super::port::{self, PortDesc};
use super::settings::Settings;
use super::wire::{HEADER, OFPT_SET_CONFIG, message};

const OFPT_PACKET_OUT: u8 = 13;
const OFPT_FLOW_MOD: u8 = 14;
const OFPT_GROUP_MOD: u8 = 15;
const OFPT_BARRIER_REQUEST: u8 = 20;
const OFPT_PORT_MOD: u8 = 16;
const OFPT_METER_MOD: u8 = 29;
const OFPT_BUNDLE_CONTROL: u8 = 33;
const OFPT_BUNDLE_ADD_MESSAGE: u8 = 34;

/// `ofp_flow_mod_command` (OpenFlow 1.4.1 §7.3.4.2).
#[derive(Clone, Copy)]
enum Command {
    Add = 0,
    ModifyStrict = 2,
    Delete = 3,
    DeleteStrict = 4,
}

/// All tables, for a deletion.
const OFPTT_ALL: u8 = 0xff;
const OFP_NO_BUFFER: u32 = 0xffff_ffff;

/// A packet for the switch to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketOut {
    /// The port that it is to be taken to have come in by;
    /// [`CONTROLLER`](super::port::CONTROLLER) for none.
    pub in_port: u32,
    /// What to do with it.
    pub actions: Vec<Action>,
    /// The Ethernet frame, from its destination address on, without its check sequence.
    pub data: Vec<u8>,
}

/// Messages for a switch, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each message begins.
    starts: Vec<usize>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// The changes of `diff`, additions first.
    pub fn from_diff(diff: &FlowDiff) -> Self {
        let mut batch = Self::new();
        for flow in &diff.adds {
            batch.add(flow);
        }
        for key in &diff.deletes {
            batch.delete_strict(key);
        }
        batch
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    fn push(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.starts.push(self.bytes.len());
        message(&mut self.bytes, kind, 0, body);
        self
    }

    /// Adds a flow, or puts it in the place of the one with its key.
    pub fn add(&mut self, flow: &Flow) -> &mut Self {
        self.flow_mod(Command::Add, flow)
    }

    /// Gives the flow with this key these instructions; its cookie and counters stay. There
    /// being none is no error.
    pub fn modify_strict(&mut self, flow: &Flow) -> &mut Self {
        self.flow_mod(Command::ModifyStrict, flow)
    }

    /// Deletes the flow with this key; there being none is no error.
    pub fn delete_strict(&mut self, key: &FlowKey) -> &mut Self {
        self.delete_one((0, 0), key)
    }

    fn delete_one(&mut self, cookie: (u64, u64), key: &FlowKey) -> &mut Self {
        self.push(OFPT_FLOW_MOD, |out| {
            let head = FlowModHead {
                cookie,
                table: key.table,
                command: Command::DeleteStrict,
                timeouts: (0, 0),
                priority: key.priority,
            };
            head.encode(out);
            key.matches.encode(out);
        })
    }

    /// Deletes the flow with this key if it has this cookie: one that somebody has put in its place
    /// meanwhile stays (OpenFlow 1.4.1 §6.4: a strict deletion is restricted by cookie, too).
    pub fn delete_strict_of(&mut self, cookie: u64, key: &FlowKey) -> &mut Self {
        self.delete_one((cookie, u64::MAX), key)
    }

    /// Deletes the flows, in all tables, whose cookie equals `cookie` in the bits of `mask`.
    pub fn delete(&mut self, cookie: u64, mask: u64) -> &mut Self {
        self.delete_in_table(OFPTT_ALL, cookie, mask)
    }

    /// The same in one table.
    pub fn delete_in_table(&mut self, table: u8, cookie: u64, mask: u64) -> &mut Self {
        self.push(OFPT_FLOW_MOD, |out| {
            let head = FlowModHead {
                cookie: (cookie, mask),
                table,
                command: Command::Delete,
                timeouts: (0, 0),
                priority: 0,
            };
            head.encode(out);
            Match::default().encode(out);
        })
    }

    /// Lets the switch send a packet.
    pub fn packet_out(&mut self, packet: &PacketOut) -> &mut Self {
        self.push(OFPT_PACKET_OUT, |out| {
            out.extend_from_slice(&OFP_NO_BUFFER.to_be_bytes());
            out.extend_from_slice(&packet.in_port.to_be_bytes());
            let at = out.len();
            out.extend_from_slice(&[0; 8]);
            let start = out.len();
            for action in &packet.actions {
                action.encode(out);
            }
            super::wire::patch_length(out, at, start);
            out.extend_from_slice(&packet.data);
        })
    }

    /// Adds a meter; that there is one of its number already is an error
    /// ([`ErrorReply::is_meter_exists`](super::ErrorReply::is_meter_exists)).
    pub fn meter_add(&mut self, meter: &Meter) -> &mut Self {
        self.meter_mod(0, meter)
    }

    /// Changes a meter.
    pub fn meter_modify(&mut self, meter: &Meter) -> &mut Self {
        self.meter_mod(1, meter)
    }

    /// Deletes a meter **and the flows that use it**; there being none is no error.
    pub fn meter_delete(&mut self, id: u32) -> &mut Self {
        self.push(OFPT_METER_MOD, |out| {
            out.extend_from_slice(&[0, 2, 0, 0]);
            out.extend_from_slice(&id.to_be_bytes());
        })
    }

    /// Adds a group, or puts it in the place of the one with its number (OFPGC_ADD_OR_MOD of Open
    /// vSwitch, `ovs-ofctl --may-create mod-group`). Flows name groups that are there.
    pub fn put_group(&mut self, group: &Group) -> &mut Self {
        const OFPGC_ADD_OR_MOD: u16 = 0x8000;
        self.push(OFPT_GROUP_MOD, |out| {
            out.extend_from_slice(&OFPGC_ADD_OR_MOD.to_be_bytes());
            group.encode(out);
        })
    }

    /// Sets the switch's settings.
    pub fn set_config(&mut self, settings: &Settings) -> &mut Self {
        self.push(OFPT_SET_CONFIG, |out| settings.encode(out))
    }

    /// Lets a port receive and send again, after somebody forbade it
    /// ([`PortDesc::restricted`]).
    pub(crate) fn open_port(&mut self, port: &PortDesc) -> &mut Self {
        self.push(OFPT_PORT_MOD, |out| {
            out.extend_from_slice(&port.number.to_be_bytes());
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&port.mac.0);
            out.extend_from_slice(&[0; 2]);
            // No bit of the configuration, of these.
            out.extend_from_slice(&0_u32.to_be_bytes());
            out.extend_from_slice(&port::RESTRICTIONS.to_be_bytes());
        })
    }

    fn meter_mod(&mut self, command: u16, meter: &Meter) -> &mut Self {
        self.push(OFPT_METER_MOD, |out| {
            out.extend_from_slice(&command.to_be_bytes());
            meter.encode(out);
        })
    }

    fn flow_mod(&mut self, command: Command, flow: &Flow) -> &mut Self {
        self.push(OFPT_FLOW_MOD, |out| {
            let head = FlowModHead {
                cookie: (flow.cookie, 0),
                table: flow.table,
                command,
                timeouts: (flow.idle_timeout, flow.hard_timeout),
                priority: flow.priority,
            };
            head.encode(out);
            flow.matches.encode(out);
            flow.instructions.encode(out);
        })
    }

    /// How many xids [`Batch::encode`] uses.
    pub(crate) fn xids(&self, atomic: bool) -> u32 {
        let count = u32::try_from(self.starts.len()).unwrap_or(u32::MAX - 16);
        count + if atomic { 2 } else { 1 }
    }

    /// Appends the messages and a barrier with xids from `first` on; an atomic batch is put
    /// into a bundle, whose number is `first` (OpenFlow 1.4.1 §6.8). The barrier has the
    /// last xid.
    pub(crate) fn encode(&self, atomic: bool, first: u32, out: &mut Vec<u8>) {
        let mut xid = first;
        if atomic {
            bundle_control(out, xid, first, OFPBCT_OPEN_REQUEST);
            xid += 1;
        }
        let ends = self.starts.iter().skip(1).copied();
        for (start, end) in self.starts.iter().zip(ends.chain([self.bytes.len()])) {
            let bytes = &self.bytes[*start..end];
            if atomic {
                message(out, OFPT_BUNDLE_ADD_MESSAGE, xid, |out| {
                    out.extend_from_slice(&first.to_be_bytes());
                    out.extend_from_slice(&[0, 0]);
                    out.extend_from_slice(&OFPBF_ATOMIC_ORDERED.to_be_bytes());
                    with_xid(out, bytes, xid);
                });
            } else {
                with_xid(out, bytes, xid);
            }
            xid += 1;
        }
        message(out, OFPT_BARRIER_REQUEST, xid, |_| {});
    }

    /// Appends what commits or discards a bundle, and a barrier.
    pub(crate) fn close(bundle: u32, commit: bool, first: u32, out: &mut Vec<u8>) {
        let kind = if commit {
            OFPBCT_COMMIT_REQUEST
        } else {
            OFPBCT_DISCARD_REQUEST
        };
        bundle_control(out, first, bundle, kind);
        message(out, OFPT_BARRIER_REQUEST, first + 1, |_| {});
    }
}

const OFPBCT_OPEN_REQUEST: u16 = 0;
const OFPBCT_COMMIT_REQUEST: u16 = 4;
const OFPBCT_DISCARD_REQUEST: u16 = 6;
const OFPBF_ATOMIC_ORDERED: u16 = 3;

fn bundle_control(out: &mut Vec<u8>, xid: u32, bundle: u32, kind: u16) {
    message(out, OFPT_BUNDLE_CONTROL, xid, |out| {
        out.extend_from_slice(&bundle.to_be_bytes());
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&OFPBF_ATOMIC_ORDERED.to_be_bytes());
    });
}

fn with_xid(out: &mut Vec<u8>, bytes: &[u8], xid: u32) {
    out.extend_from_slice(&bytes[..HEADER - 4]);
    out.extend_from_slice(&xid.to_be_bytes());
    out.extend_from_slice(&bytes[HEADER..]);
}

/// The front of a FLOW_MOD.
struct FlowModHead {
    /// Cookie and mask.
    cookie: (u64, u64),
    table: u8,
    command: Command,
    /// Idle and hard timeout, in seconds; 0: none.
    timeouts: (u16, u16),
    priority: u16,
}

impl FlowModHead {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.cookie.0.to_be_bytes());
        out.extend_from_slice(&self.cookie.1.to_be_bytes());
        out.extend_from_slice(&[self.table, self.command as u8]);
        out.extend_from_slice(&self.timeouts.0.to_be_bytes());
        out.extend_from_slice(&self.timeouts.1.to_be_bytes());
        out.extend_from_slice(&self.priority.to_be_bytes());
        out.extend_from_slice(&OFP_NO_BUFFER.to_be_bytes());
        // Neither an output port nor a group narrows a deletion.
        out.extend_from_slice(&port::ANY.to_be_bytes());
        out.extend_from_slice(&port::ANY.to_be_bytes());
        // No flags, no importance.
        out.extend_from_slice(&[0; 4]);
    }
}

#[cfg(test)]
#[path = "batch/tests.rs"]
mod tests;
