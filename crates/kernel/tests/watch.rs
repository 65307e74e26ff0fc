//! What the kernel tells by itself: frames on packet sockets, and announcements about
//! addresses, routes, rules and settings.

mod common;

use std::time::Duration;

use common::{Ns, ifname, net, run, wanted, with_kernel};
use flatnet_kernel::{
    HostEvent, HostEvents, Kernel, LinkError, PacketError, PairSpec, Receives, SysctlKey,
};
use flatnet_types::Mtu;

fn pair() -> PairSpec {
    PairSpec {
        name: ifname("fnprobe0"),
        peer: ifname("fnprobe0p"),
        alias: "flatnet:probe".to_owned(),
        mtu: Mtu::ETHERNET,
        promiscuous: true,
    }
}

/// Waits for an event that `wanted` takes.
async fn until(events: &mut HostEvents, what: &str, wanted: impl Fn(&HostEvent) -> bool) {
    let found = async { while !wanted(&events.next().await.expect("it goes on")) {} };
    tokio::time::timeout(Duration::from_secs(10), found)
        .await
        .unwrap_or_else(|_| panic!("no event: {what}"));
}

#[test]
fn a_pair_is_made_on_the_node_up_and_without_addresses_of_its_own() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let host = &host;
    with_kernel(host, |kernel| async move {
        kernel.create_pair(&pair()).await.expect("made");
        for name in ["fnprobe0", "fnprobe0p"] {
            let link = host.link(name).expect("there");
            assert_eq!(link["ifalias"], "flatnet:probe");
            assert_eq!(link["operstate"], "UP");
            assert_eq!(link["inet6_addr_gen_mode"], "none");
            let all = host.ip(&["addr", "show", "dev", name]);
            assert_eq!(all[0]["addr_info"].as_array().map(Vec::len), Some(0));
        }
        assert_eq!(host.link("fnprobe0").expect("there")["promiscuity"], 1);
        let again = kernel.create_pair(&pair()).await;
        assert!(
            matches!(again, Err(LinkError::HostNameTaken { .. })),
            "{again:?}"
        );
    });
}

#[test]
fn a_frame_that_is_sent_into_one_end_of_a_pair_comes_out_of_the_other() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let host = &host;
    with_kernel(host, |kernel: Kernel| async move {
        let none = kernel
            .packet_socket(&ifname("fnprobe0"), Receives::All)
            .await;
        assert!(
            matches!(none, Err(PacketError::NoSuchLink { .. })),
            "{none:?}"
        );
        kernel.create_pair(&pair()).await.expect("made");
        let sender = kernel
            .packet_socket(&ifname("fnprobe0p"), Receives::Nothing)
            .await
            .expect("opened");
        let receiver = kernel
            .packet_socket(&ifname("fnprobe0"), Receives::All)
            .await
            .expect("opened");
        let mut frame = vec![0x0a, 0xf1, 0, 0, 0, 1, 0x0a, 0xf1, 0, 0, 0, 2, 0x88, 0xb5];
        frame.extend([7; 46]);
        sender.send(&frame).expect("sent");
        let mut buffer = [0; 128];
        let n = receiver.receive(&mut buffer).await.expect("received");
        assert_eq!(buffer[..n], frame);

        // A link that goes away is told, and its socket is of no more use.
        run("ip", &["-n", &host.name, "link", "del", "fnprobe0"]);
        assert!(receiver.receive(&mut buffer).await.is_err());
        assert!(sender.send(&frame).is_err());
    });
}

#[test]
fn addresses_routes_rules_and_settings_are_told_as_they_change() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let host = &host;
    with_kernel(host, |kernel| async move {
        kernel.create_pair(&pair()).await.expect("made");
        let mut events = kernel.watch_host();
        let ip = |args: &[&str]| {
            let mut all = vec!["-n", host.name.as_str()];
            all.extend(args);
            run("ip", &all)
        };
        let address = net("10.9.0.1/24");
        ip(&["addr", "add", "10.9.0.1/24", "dev", "fnprobe0"]);
        let is = |e: &HostEvent| matches!(e, HostEvent::Address(a) if a.address == address);
        until(&mut events, "an address came", is).await;
        let wanted = net("10.10.0.0/16");
        let is = |e: &HostEvent| matches!(e, HostEvent::Route(r) if r.dst == wanted && r.protocol == 199);
        ip(&[
            "route",
            "add",
            "10.10.0.0/16",
            "via",
            "10.9.0.2",
            "proto",
            "199",
        ]);
        until(&mut events, "a route came", is).await;
        ip(&["route", "flush", "proto", "199"]);
        until(&mut events, "a route went", is).await;
        ip(&["addr", "flush", "dev", "fnprobe0"]);
        let is = |e: &HostEvent| matches!(e, HostEvent::Address(a) if a.address == address);
        until(&mut events, "an address went", is).await;

        let before = kernel.rules().await.expect("read");
        ip(&[
            "rule",
            "add",
            "from",
            "10.9.0.0/24",
            "iif",
            "lo",
            "lookup",
            "77",
            "pref",
            "50",
        ]);
        until(&mut events, "a rule came", |e| *e == HostEvent::Rule).await;
        let rules = kernel.rules().await.expect("read");
        assert_eq!(rules.len(), before.len() + 1);
        let rule = rules.iter().find(|r| r.priority == 50).expect("there");
        assert_eq!(
            (rule.src, rule.iif.as_deref(), rule.table),
            (Some(net("10.9.0.0/24")), Some("lo"), 77)
        );

        host.exec(&["sysctl", "-w", "net.ipv4.conf.fnprobe0.rp_filter=1"]);
        until(&mut events, "a setting", |e| *e == HostEvent::Setting).await;
        let keys = ["ipv4/conf/fnprobe0/rp_filter", "ipv4/conf/none/rp_filter"];
        let keys = keys.map(|k| SysctlKey::new(k).expect("sound")).to_vec();
        let values = kernel.sysctls(keys.clone()).await.expect("read");
        assert_eq!(values, [Some("1".to_owned()), None]);

        // Read again it is what it is now, also of another link of the name.
        for (commands, value) in [
            (
                vec!["sysctl -w net.ipv4.conf.fnprobe0.rp_filter=2"],
                Some("2"),
            ),
            (vec!["ip link del fnprobe0"], None),
            (
                vec![
                    "ip link add fnprobe0 type veth peer name fnprobe0p",
                    "sysctl -w net.ipv4.conf.fnprobe0.rp_filter=0",
                ],
                Some("0"),
            ),
        ] {
            for command in commands {
                host.exec(&command.split(' ').collect::<Vec<_>>());
            }
            let values = kernel.sysctls(keys.clone()).await.expect("read");
            assert_eq!(values, [value.map(str::to_owned), None]);
        }
    });
}
