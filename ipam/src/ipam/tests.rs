//! What a caller can rely on, with a store in memory and with one on disk.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flatnet_types::{AttachmentKey, ContainerId, IfName, NetworkName};

use super::*;
use crate::range::HostRange;
use crate::store::MemoryBackend;

mod basics;
mod crash;
mod faults;
mod file;
mod model;

const BOOT: &str = "boot-1";

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

fn net() -> NetworkName {
    NetworkName::new("web").expect("a name")
}

fn key(n: u32) -> AttachmentKey {
    AttachmentKey {
        network: NetworkName::new("cni").expect("a name"),
        container_id: ContainerId::new(format!("c{n}")).expect("an ID"),
        ifname: IfName::new("eth0").expect("a name"),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn range(span: &str, subnet: &str, gateway: &str) -> HostRange {
    let subnet = subnet.parse().expect("a subnet");
    HostRange::new(
        span.parse().expect("a span"),
        subnet,
        Some(ip(gateway)),
        &[],
    )
    .expect("a range")
}

/// 10.0.0.16 to .19 of a /24: four addresses.
fn four() -> Config {
    config([range("10.0.0.16/30", "10.0.0.0/24", "10.0.0.1")])
}

fn config(ranges: impl Into<Vec<HostRange>>) -> Config {
    Config::new(Networks::new([(net(), ranges.into())]).expect("networks"))
}

fn unnamed() -> ReserveRequest {
    ReserveRequest {
        network: net(),
        ips: Vec::new(),
    }
}

fn named(text: &str) -> ReserveRequest {
    ReserveRequest {
        network: net(),
        ips: vec![ip(text)],
    }
}

fn open_on(disk: &MemoryBackend, config: Config, now: Timestamp) -> (Ipam, Recovery) {
    Ipam::open_with(Box::new(disk.clone()), config, BOOT, now).expect("it opens")
}

fn first_ip(reservation: &Reservation) -> String {
    reservation.addresses[0].address.ip().to_string()
}
