//! The judges judged: ping, captures and TCP between two containers behind a router, plain
//! and with a router that masquerades. Needs root: `FLATNET_ROOT_TESTS=1`.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use super::cluster::{Endpoint, Kind, Question, Reach};
use super::wire::{Capture, Place, Tally};
use super::{echo, probe};
use crate::interrupt::Interrupt;
use crate::runtime::ContainerNs;

const RUN: u32 = 0x5eed;

/// a ── router ── b, in both families.
struct Fixture {
    a: ContainerNs,
    router: ContainerNs,
    b: ContainerNs,
    endpoints: [Endpoint; 2],
}

fn enabled() -> bool {
    std::env::var_os("FLATNET_ROOT_TESTS").is_some()
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn run(netns: &ContainerNs, line: &str) {
    let mut words = line.split(' ');
    let program = words.next().expect("a program");
    let out = netns
        .run(Command::new(program).args(words))
        .expect("it runs");
    assert!(
        out.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

fn endpoint(name: &str, v4: &str, v6: &str) -> Endpoint {
    Endpoint {
        name: name.to_owned(),
        kind: Kind::Container,
        site: "site".to_owned(),
        node: None,
        addresses: vec![ip(v4), ip(v6)],
    }
}

impl Fixture {
    fn create(name: &str) -> Self {
        let make = |part: &str| {
            let id = format!("t{}-{name}-{part}", std::process::id());
            ContainerNs::create(&id).expect("root")
        };
        let (a, router, b) = (make("a"), make("r"), make("b"));
        for netns in [&a, &router, &b] {
            // No waiting for duplicate address detection of link-local addresses.
            for conf in ["all", "default"] {
                run(
                    netns,
                    &format!("sysctl -q -w net.ipv6.conf.{conf}.accept_dad=0"),
                );
            }
        }
        for (side, end, net) in [("a", &a, "1"), ("b", &b, "2")] {
            let peer = end.name();
            for line in [
                format!("ip link add name {side} type veth peer name eth0 netns {peer}"),
                format!("ip address add 10.9.{net}.1/24 dev {side}"),
                format!("ip address add fd09:{net}::1/64 dev {side} nodad"),
                format!("ip link set dev {side} up"),
            ] {
                run(&router, &line);
            }
            for line in [
                format!("ip address add 10.9.{net}.2/24 dev eth0"),
                format!("ip address add fd09:{net}::2/64 dev eth0 nodad"),
                "ip link set eth0 up".to_owned(),
                format!("ip route add default via 10.9.{net}.1"),
                format!("ip route add default via fd09:{net}::1"),
            ] {
                run(end, &line);
            }
        }
        for key in ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"] {
            run(&router, &format!("sysctl -q -w {key}"));
        }
        let endpoints = [
            endpoint("a", "10.9.1.2", "fd09:1::2"),
            endpoint("b", "10.9.2.2", "fd09:2::2"),
        ];
        Self {
            a,
            router,
            b,
            endpoints,
        }
    }

    fn netns(&self, index: usize) -> Option<&Path> {
        [self.a.path(), self.b.path()].get(index).copied()
    }

    /// a asks b, and one address that nobody has, in each family.
    fn questions(&self) -> Vec<Question> {
        let question = |address, expected| Question {
            from: 0,
            to: 1,
            address,
            expected,
        };
        let b = &self.endpoints[1].addresses;
        vec![
            question(b[0], Reach::Reachable),
            question(b[1], Reach::Reachable),
            question(ip("10.9.2.77"), Reach::Unreachable),
        ]
    }

    /// Pings and calls while the router's side towards b is captured.
    fn measure(&self) -> (Vec<probe::Answer>, echo::Echoes, Tally) {
        let interrupt = Interrupt::default();
        let capture = Capture::start(Place {
            name: "the router's side towards b".to_owned(),
            netns: self.router.path().to_owned(),
            interface: "b".to_owned(),
        })
        .expect("tcpdump starts");
        let questions = self.questions();
        let netns = |index| self.netns(index);
        let answers = probe::ask_all(&questions, netns, RUN, &interrupt, || {}).expect("ping runs");
        let echoes =
            echo::call_all(&self.endpoints, &questions[..2], netns, &interrupt).expect("TCP works");
        std::thread::sleep(super::SETTLE);
        let (_, tally) = capture.finish(RUN, &self.endpoints).expect("a capture");
        (answers, echoes, tally)
    }
}

#[test]
fn a_plain_router_changes_nothing_and_that_is_seen() {
    if !enabled() {
        return;
    }
    let (answers, echoes, tally) = Fixture::create("plain").measure();
    let observed: Vec<Reach> = answers.iter().map(|a| a.observed()).collect();
    let (yes, no) = (Reach::Reachable, Reach::Unreachable);
    assert_eq!(observed, [yes, yes, no]);
    assert_eq!(echoes.answered, 2);
    assert!(echoes.ok(), "{echoes:?}");
    assert!(tally.ok(), "{tally:?}");
    // A request and a reply in each family.
    assert_eq!(tally.probes, 4);
}

#[test]
fn a_masquerading_router_is_found_out_on_the_wire_and_by_the_receiver() {
    if !enabled() {
        return;
    }
    let fixture = Fixture::create("nat");
    run(
        &fixture.router,
        "iptables -t nat -A POSTROUTING -o b -j MASQUERADE",
    );
    let (answers, echoes, tally) = fixture.measure();
    assert_eq!(
        answers[0].observed(),
        Reach::Reachable,
        "NAT does not hinder ping"
    );
    assert_eq!(tally.rewritten, 2, "request and reply over IPv4: {tally:?}");
    assert!(!tally.ok());
    assert_eq!(
        echoes.rewritten,
        ["10.9.2.2 saw a as 10.9.2.1, not as 10.9.1.2"]
    );
}
