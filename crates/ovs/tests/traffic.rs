//! Flows that rewrite packets, judged by Linux kernels at both ends: answers to ARP and
//! neighbour solicitations, rewritten hardware addresses, meters.

mod common;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use common::{Namespace, Ovs, WAIT, wanted};
use flatnet_ovs::openflow::{
    Action, Batch, Field, Flow, FlowFilter, Match, Meter, PortSelector, Switch,
};
use flatnet_types::MacAddr;

const MAC_A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
const MAC_B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);
/// What the flows say, so that one sees that they said it.
const TOLD: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xcc]);
const A4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const A6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const B6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

struct Net {
    a: Namespace,
    b: Namespace,
    switch: Switch,
    ovs: Ovs,
}

/// Two hosts, A on port 1 and B on port 2.
async fn net() -> Net {
    let ovs = Ovs::switch();
    let a = ovs.host(1, &MAC_A.to_string(), &["10.0.0.1/24", "fd00::1/64"]);
    let b = ovs.host(2, &MAC_B.to_string(), &["10.0.0.2/24", "fd00::2/64"]);
    let switch = ovs.connection();
    switch.connected(WAIT).await.expect("connected");
    for number in [1, 2] {
        let which = PortSelector::Number(number);
        switch
            .wait_port(&which, WAIT)
            .await
            .expect("the port is there");
    }
    Net { a, b, switch, ovs }
}

impl Net {
    async fn install(&self, flows: impl IntoIterator<Item = Flow>) {
        let mut batch = Batch::new();
        for flow in flows {
            batch.add(&flow);
        }
        self.switch.send(batch).await.expect("installed");
    }

    async fn packets(&self, table: u8, priority: u16) -> u64 {
        let flows = self
            .switch
            .flows(FlowFilter::default())
            .await
            .expect("a dump");
        flows
            .iter()
            .find(|s| (s.flow.table, s.flow.priority) == (table, priority))
            .map_or(0, |s| s.packets)
    }
}

/// Answers whoever asks by ARP for `ip` that it is at `mac`.
fn arp_responder(ip: Ipv4Addr, mac: MacAddr) -> Flow {
    Flow::new(0, 200)
        .matching(Match::arp().arp_op(1).arp_tpa(ip))
        .actions([
            Action::copy(Field::EthSrc, Field::EthDst),
            Action::set_eth_src(mac),
            Action::set_arp_op(2),
            Action::copy(Field::ArpSha, Field::ArpTha),
            Action::set_arp_sha(mac),
            Action::copy(Field::ArpSpa, Field::ArpTpa),
            Action::set_arp_spa(ip),
            Action::in_port(),
        ])
}

/// Solicited and Override (RFC 4861 §4.4).
const SOLICITED_OVERRIDE: u32 = 0x6000_0000;

/// Answers whoever solicits `ip` that it is at `mac`. The switch lets `nd_tll` be set under a
/// match on type 136 only, hence the second table.
fn nd_responder(ip: Ipv6Addr, mac: MacAddr) -> [Flow; 2] {
    let first = Flow::new(0, 200)
        .matching(Match::icmpv6(135).icmpv6_code(0).nd_target(ip))
        .actions([
            Action::copy(Field::EthSrc, Field::EthDst),
            Action::set_eth_src(mac),
            Action::copy(Field::Ipv6Src, Field::Ipv6Dst),
            Action::set_ipv6_src(ip),
            Action::set_nd_options_type(2),
            Action::set_nd_reserved(SOLICITED_OVERRIDE),
            Action::set_icmpv6_type(136),
        ])
        .goto(10);
    let second = Flow::new(10, 200)
        .matching(Match::icmpv6(136).nd_target(ip))
        .actions([Action::set_nd_tll(mac), Action::in_port()]);
    [first, second]
}

/// Tells whoever is about to take `ip` for itself that it is in use (RFC 4862 §5.4.4): the
/// question comes from `::`, and the answer goes to all nodes.
fn dad_responder(ip: Ipv6Addr, mac: MacAddr) -> Flow {
    const OVERRIDE: u32 = 0x2000_0000;
    let unspecified = Ipv6Addr::UNSPECIFIED;
    Flow::new(0, 201)
        .matching(
            Match::icmpv6(135)
                .icmpv6_code(0)
                .nd_target(ip)
                .ipv6_src(unspecified),
        )
        .actions([
            Action::set_eth_dst(MacAddr([0x33, 0x33, 0, 0, 0, 1])),
            Action::set_eth_src(mac),
            Action::set_ipv6_dst(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)),
            Action::set_ipv6_src(ip),
            Action::set_nd_options_type(2),
            Action::set_nd_reserved(OVERRIDE),
            Action::set_icmpv6_type(136),
        ])
        .goto(10)
}

fn neighbour(host: &Namespace, ip: &str) -> String {
    host.run("ip", &["neigh", "show", ip, "dev", "eth0"])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arp_request_is_answered_by_flows_alone() {
    if !wanted() {
        return;
    }
    let net = net().await;
    net.install([arp_responder(B4, TOLD)]).await;
    net.a.output("ping", &["-c1", "-W1", "10.0.0.2"]);
    let entry = neighbour(&net.a, "10.0.0.2");
    assert!(
        entry.contains(&format!("lladdr {TOLD} REACHABLE")),
        "{entry}"
    );
    assert_eq!(net.packets(0, 200).await, 1);
    drop(net.ovs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_solicitation_is_answered_by_flows_alone() {
    if !wanted() {
        return;
    }
    let net = net().await;
    net.install(nd_responder(B6, TOLD)).await;
    net.a.output("ping", &["-6", "-c1", "-W1", "fd00::2"]);
    let entry = neighbour(&net.a, "fd00::2");
    assert!(
        entry.contains(&format!("lladdr {TOLD} REACHABLE")),
        "{entry}"
    );
    assert!(!entry.contains("router"), "{entry}");
    assert_eq!(net.packets(10, 200).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_defended_against_duplicate_address_detection() {
    if !wanted() {
        return;
    }
    let net = net().await;
    net.install(nd_responder(B6, TOLD)).await;
    net.install([dad_responder(B6, TOLD)]).await;
    net.a
        .run("ip", &["addr", "add", "fd00::2/64", "dev", "eth0"]);
    let mut shown = String::new();
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        shown = net.a.run("ip", &["-6", "addr", "show", "dev", "eth0"]);
        if shown.contains("dadfailed") {
            return;
        }
    }
    panic!("{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_only_hear_the_flows_reach_each_other() {
    if !wanted() {
        return;
    }
    let net = net().await;
    let to = |port: u32, mac| {
        Flow::new(0, 100 + u16::try_from(port).expect("small"))
            .matching(Match::new().eth_dst(mac))
            .actions([Action::output(port)])
    };
    net.install([to(1, MAC_A), to(2, MAC_B)]).await;
    let mut answers = vec![];
    for (ip4, ip6, mac) in [(A4, A6, MAC_A), (B4, B6, MAC_B)] {
        answers.push(arp_responder(ip4, mac));
        answers.extend(nd_responder(ip6, mac));
    }
    net.install(answers).await;
    net.a.run("ping", &["-c3", "-i0.1", "-W1", "10.0.0.2"]);
    net.a.run("ping", &["-6", "-c3", "-i0.1", "-W1", "fd00::2"]);
    // A neighbour that is probed while in use (RFC 4861 §7.3.3) is answered too.
    net.a.run(
        "ip",
        &[
            "neigh",
            "change",
            "fd00::2",
            "lladdr",
            &MAC_B.to_string(),
            "nud",
            "probe",
            "dev",
            "eth0",
        ],
    );
    let mut entry = String::new();
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        entry = neighbour(&net.a, "fd00::2");
        if entry.contains("REACHABLE") {
            return;
        }
    }
    panic!("{entry}");
}

/// The MAC saver's way out: what A says of itself becomes what the flows say.
#[tokio::test(flavor = "multi_thread")]
async fn hardware_addresses_inside_arp_and_nd_are_rewritten_on_the_way() {
    if !wanted() {
        return;
    }
    let net = net().await;
    let flow = |priority, m: Match| Flow::new(0, priority).matching(m.in_port(1));
    net.install([
        flow(300, Match::arp()).actions([
            Action::set_eth_src(TOLD),
            Action::set_arp_sha(TOLD),
            Action::output(2),
        ]),
        flow(301, Match::icmpv6(135)).actions([
            Action::set_eth_src(TOLD),
            Action::set_nd_sll(TOLD),
            Action::output(2),
        ]),
        flow(302, Match::icmpv6(136)).actions([
            Action::set_eth_src(TOLD),
            Action::set_nd_tll(TOLD),
            Action::output(2),
        ]),
        flow(100, Match::new()).actions([Action::set_eth_src(TOLD), Action::output(2)]),
    ])
    .await;
    let back = |priority, m: Match| {
        Flow::new(0, priority)
            .matching(m.in_port(2).eth_dst(TOLD))
            .actions([Action::set_eth_dst(MAC_A), Action::output(1)])
    };
    let other = Flow::new(0, 99)
        .matching(Match::new().in_port(2))
        .actions([Action::output(1)]);
    net.install([back(200, Match::new()), other]).await;
    net.a.run("ping", &["-c2", "-i0.1", "-W1", "10.0.0.2"]);
    net.a.run("ping", &["-6", "-c2", "-i0.1", "-W1", "fd00::2"]);
    for ip in ["10.0.0.1", "fd00::1"] {
        let entry = neighbour(&net.b, ip);
        assert!(entry.contains(&format!("lladdr {TOLD}")), "{entry}");
    }
    // B asks and A answers: the advertisement's target address is rewritten.
    net.b.run("ip", &["neigh", "flush", "dev", "eth0"]);
    net.b.run("ping", &["-6", "-c2", "-i0.1", "-W1", "fd00::1"]);
    let entry = neighbour(&net.b, "fd00::1");
    assert!(entry.contains(&format!("lladdr {TOLD}")), "{entry}");
    assert!(
        net.packets(0, 302).await >= 1,
        "the advertisement went through its flow"
    );
}

/// Bits a second that iperf3 measured at the receiver.
fn iperf(net: &Net, args: &[&str]) -> f64 {
    let mut server = net
        .b
        .command("iperf3", &["-s", "-1", "-p", "5201"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("iperf3 runs");
    std::thread::sleep(Duration::from_millis(300));
    let args = [
        &["-c", "10.0.0.2", "-p", "5201", "-J", "-t", "4", "-O", "1"],
        args,
    ]
    .concat();
    let out = net.a.output("iperf3", &args);
    let _ = server.kill();
    let _ = server.wait();
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let end = &json["end"];
    let rate = &end["sum_received"]["bits_per_second"];
    rate.as_f64().unwrap_or_else(|| panic!("no rate in {end}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meter_limits_the_rate_of_one_direction() {
    if !wanted() {
        return;
    }
    let net = net().await;
    let across = |from: u32, to: u32| {
        Flow::new(0, 100)
            .matching(Match::new().in_port(from))
            .actions([Action::output(to)])
    };
    net.install([across(1, 2), across(2, 1)]).await;
    let free = iperf(&net, &[]);
    eprintln!("TCP without a meter: {:.0} Mbit/s", free / 1e6);
    for (rate, burst) in [
        (20_000, None),
        (20_000, Some(2_000)),
        (20_000, Some(200)),
        (100_000, Some(10_000)),
    ] {
        let meter = Meter::kbps(1, rate, burst);
        let mut batch = Batch::new();
        batch
            .meter_delete(1)
            .meter_add(&meter)
            .add(&across(1, 2).meter(1))
            .add(&across(2, 1));
        net.switch.send(batch).await.expect("installed");
        let tcp = iperf(&net, &[]);
        let udp_rate = format!("{}K", rate * 2);
        let udp = iperf(&net, &["-u", "-b", &udp_rate, "-l", "1400"]);
        eprintln!(
            "a meter of {rate} kbit/s, burst {burst:?}: TCP {:.1}, UDP {:.1} Mbit/s",
            tcp / 1e6,
            udp / 1e6
        );
        let stats = net.switch.meter_stats().await.expect("counters");
        assert!(stats[0].packets_dropped > 0, "{stats:?}");
        let allowed = f64::from(rate) * 1e3;
        // How near it comes from below is the busy machine's doing, not the meter's.
        assert!(
            udp > allowed * 0.3 && udp < allowed * 1.3,
            "UDP at {udp} of {allowed}"
        );
        assert!(tcp < allowed * 1.3, "TCP at {tcp} of {allowed}");
    }
}
