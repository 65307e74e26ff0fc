//! A service's address is rewritten on the host of who asks, as kube-proxy does it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::suites::kit::container::Container;
use crate::suites::kit::forwarding::forwarding;
use crate::suites::kit::nat::{self, Rule, SERVICE_PORT};
use crate::suites::kit::tcp::{Greeter, ask};
use crate::suites::kit::{eventually, output, pair};
use crate::{LabGuard, Node};

/// In the lab's service prefixes, one of each family.
const SERVICE: [&str; 2] = ["10.96.0.10", "fd10:96::10"];
const PORT: u16 = 8080;
const NO_ANSWER: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn answers_pass_the_host(lab: &LabGuard) -> Result<()> {
    nat::needed(lab)?;
    let [idc1, idc2] = pair(lab, "idc")?;
    let [vpc1, _] = pair(lab, "vpc")?;
    let _forwarding = forwarding(&idc1)?;
    let client = Container::attach(lab, &idc1, "web", "dp-svc-client")?;
    let (heard, before) = (client.capture()?, redirects(&idc1)?);
    let places = [
        (&idc1, "web", "of the same node and VLAN"),
        (&idc1, "db", "of the same node, in another VLAN"),
        (&idc2, "web", "of another node, in the same VLAN"),
        (&vpc1, "cloud", "of another site"),
    ];
    for (number, (node, network, place)) in places.into_iter().enumerate() {
        let backend = Container::attach(lab, node, network, &format!("dp-svc-{number}"))?;
        let greeter = Greeter::start(backend.netns(), PORT)?;
        for (service, (own, to)) in SERVICE.iter().zip(client.ips().iter().zip(backend.ips())) {
            let service: IpAddr = service.parse()?;
            let to = SocketAddr::new(to, PORT);
            let _rule = Rule::add(&idc1, service, to)?;
            let at = SocketAddr::new(service, SERVICE_PORT);
            // Who talks to the container directly is none of the host's business, before the
            // bridge learned a way back and after it.
            for (what, at) in [("directly", to), ("by the service", at), ("directly", to)] {
                let (seen, _) = eventually(PATIENCE, || ask(client.netns(), at, NO_ANSWER))
                    .with_context(|| format!("a container {place}, {what}, {at}"))?;
                ensure!(seen == *own, "{place}, {what}: {own} is seen as {seen}");
            }
        }
        drop(greeter);
    }
    // The host's kernel tells who sends by it of a way past it, where nobody translates.
    let after = redirects(&idc1)?;
    let arrived = heard.finish()?;
    if let Some(redirect) = arrived.frames.iter().find(|f| is_redirect(f)) {
        bail!("a redirect of the host arrived: {redirect:02x?}");
    }
    ensure!(
        after[0] > before[0] && after[1] > before[1],
        "the host was to send redirects of both families: {before:?}, then {after:?}"
    );
    Ok(())
}

/// The redirects that a host's kernel has sent so far: of IPv4 and of IPv6.
fn redirects(node: &Node) -> Result<[u64; 2]> {
    let read = |file: &str| output(node.command("cat").arg(file));
    // A line of names, and below it one of values.
    let snmp = read("/proc/self/net/snmp")?;
    let mut icmp = snmp.lines().filter(|l| l.starts_with("Icmp:"));
    let names = icmp.next().context("snmp: no names")?.split_whitespace();
    let values = icmp.next().context("snmp: no values")?.split_whitespace();
    let mut pairs = names.zip(values);
    let v4 = pairs.find(|(name, _)| *name == "OutRedirects");
    let snmp6 = read("/proc/self/net/snmp6")?;
    let v6 = snmp6
        .lines()
        .find_map(|l| l.strip_prefix("Icmp6OutRedirects"));
    Ok([
        v4.context("snmp: OutRedirects")?.1.parse()?,
        v6.context("snmp6: Icmp6OutRedirects")?.trim().parse()?,
    ])
}

/// Whether a frame is a redirect (RFC 792; RFC 4861 §4.5).
fn is_redirect(frame: &[u8]) -> bool {
    let Some(packet) = frame.get(14..) else {
        return false;
    };
    match frame[12..14] {
        [0x08, 0x00] => packet.get(9) == Some(&1) && packet.get(20) == Some(&5),
        [0x86, 0xdd] => packet.get(6) == Some(&58) && packet.get(40) == Some(&137),
        _ => false,
    }
}
