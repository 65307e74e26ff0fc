//! What an open store costs: resident memory, and the time to open it after a crash.
//!
//! `cargo run --release -p flatnet-ipam --example footprint -- 250`

use std::io::Write;
use std::time::Instant;

use flatnet_ipam::{Config, HostRange, Ipam, Networks, ReserveRequest};
use flatnet_types::Timestamp;
use flatnet_types::{AttachmentKey, ContainerId, IfName, NetworkName};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let attachments: u32 = std::env::args().nth(1).map_or(Ok(250), |n| n.parse())?;
    let mut out = std::io::stdout().lock();
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("ipam.redb");
    let copy = dir.path().join("crashed.redb");
    let network = NetworkName::new("web")?;
    let subnet = "10.0.0.0/16".parse()?;
    let range = HostRange::new("10.0.0.0/16".parse()?, subnet, None, &[])?;
    let config = Config::new(Networks::new([(network.clone(), vec![range])])?);
    let now = Timestamp::from_millis(0);
    let (ipam, _) = Ipam::open(&path, config.clone(), "boot", now)?;
    writeln!(out, "open, empty: {}", resident()?)?;
    let request = ReserveRequest {
        network: network.clone(),
        ips: Vec::new(),
    };
    for n in 0..attachments {
        let key = AttachmentKey {
            network: network.clone(),
            container_id: ContainerId::new(format!("{n:064x}"))?,
            ifname: IfName::new("eth0")?,
        };
        let detail = |_: &_| {
            serde_json::json!({"port": "fl0a0000ff", "mac": "0a:f1:0a:00:00:ff", "vlan": 100,
                "pod": {"namespace": "default", "name": "web-5d8f7c9b6-x2x4z"}})
        };
        let (_, durable) = ipam.reserve_with(&key, &request, now, detail)?;
        if n % 500 == 0 {
            durable.wait()?;
        }
    }
    ipam.flush().wait()?;
    writeln!(out, "{attachments} attachments: {}", resident()?)?;
    std::fs::copy(&path, &copy)?;
    let size = std::fs::metadata(&path)?.len() / 1024;
    let begin = Instant::now();
    let (crashed, _) = Ipam::open(&copy, config, "boot", now)?;
    let took = begin.elapsed();
    writeln!(
        out,
        "opened after a crash in {took:?}; the file has {size} KiB"
    )?;
    drop(crashed);
    Ok(())
}

fn resident() -> std::io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = |name| status.lines().find(|l| l.starts_with(name)).unwrap_or("");
    Ok(format!("{}, {}", line("VmRSS"), line("VmHWM")).replace('\t', " "))
}
