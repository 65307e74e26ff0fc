//! Making, configuring and deleting a container's interface, read back by `ip`.

mod common;

use std::time::Duration;

use common::{Ns, dual_stack, ifname, ip, net, run, veth, wanted, with_kernel};
use flatnet_kernel::{ConfigureError, ContainerRoute, LinkError, Netns, NetnsError, host_end_mac};
use flatnet_types::NetnsPath;

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_pair_is_made_configured_and_deleted() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let spec = veth(1, &netns);
        let made = kernel.create_veth(&spec).await.expect("made");
        assert_eq!(made.host_mac, host_end_mac(1001));
        assert_eq!(made.container_ifindex, 1002);
        kernel
            .configure_container(&netns, &dual_stack(made.container_ifindex))
            .await
            .expect("configured");

        let end = host.link("flt1").expect("the host's end");
        assert_eq!(end["ifindex"], 1001);
        assert_eq!(end["mtu"], 1500);
        assert_eq!(end["address"], "fe:f1:00:00:03:e9");
        assert_eq!(end["operstate"], "UP");
        assert_eq!(end["ifalias"], "flatnet:test/1");
        assert_eq!(end["num_tx_queues"], 1);
        assert_eq!(end["num_rx_queues"], 1);
        assert_eq!(end["inet6_addr_gen_mode"], "none");

        let eth0 = pod.link("eth0").expect("the container's end");
        assert_eq!(eth0["address"], "0a:f1:0a:64:00:05");
        assert_eq!(eth0["operstate"], "UP");
        assert_eq!(eth0["num_tx_queues"], 1);
        assert_eq!(eth0["num_rx_queues"], 1);
        assert_eq!(eth0["inet6_addr_gen_mode"], "eui64");
        assert_eq!(
            pod.addresses("eth0"),
            ["10.100.0.5/24", "2001:db8:100::5/64"]
        );

        let gone = kernel
            .delete_link(&ifname("flt1"), Some(1001), SOON)
            .await
            .expect("deleted");
        assert!(gone.existed);
        assert!(host.link("flt1").is_none() && pod.link("eth0").is_none());
        let again = kernel
            .delete_link(&ifname("flt1"), Some(1001), SOON)
            .await
            .expect("deleted");
        assert!(!again.existed);
    });
}

#[test]
fn a_taken_name_or_index_is_told_apart() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let first = veth(1, &netns);
        kernel.create_veth(&first).await.expect("made");

        let e = kernel
            .create_veth(&veth(2, &netns))
            .await
            .expect_err("eth0");
        assert!(matches!(e, LinkError::ContainerNameTaken { .. }), "{e}");

        let mut spec = veth(1, &netns);
        spec.container_name = ifname("eth1");
        spec.host_ifindex = 1007;
        let e = kernel.create_veth(&spec).await.expect_err("flt1");
        assert!(matches!(e, LinkError::HostNameTaken { .. }), "{e}");

        spec.host_name = ifname("flt9");
        spec.host_ifindex = 1001;
        let e = kernel.create_veth(&spec).await.expect_err("1001");
        assert!(matches!(e, LinkError::HostIndexTaken { .. }), "{e}");

        spec.host_ifindex = 1009;
        spec.container_ifindex = Some(1002);
        let e = kernel.create_veth(&spec).await.expect_err("1002");
        assert!(matches!(e, LinkError::ContainerIndexTaken { .. }), "{e}");

        // A failure leaves nothing behind.
        assert!(host.link("flt9").is_none() && pod.link("eth1").is_none());

        // The node's own interfaces have no part in it: an eth0 there does no harm.
        run(
            "ip",
            &["-n", &host.name, "link", "add", "eth0", "type", "veth"],
        );
        let other = Ns::new();
        let made = kernel.create_veth(&veth(5, &other.open())).await;
        made.expect("made beside the node's eth0");

        // Left to choose, the adapter finds a free index.
        spec.host_ifindex = 1000;
        spec.container_ifindex = None;
        spec.container_name = ifname("eth2");
        spec.host_name = ifname("flt8");
        kernel.create_veth(&spec).await.expect("made");
        spec.host_ifindex = 1003;
        spec.container_ifindex = Some(1000);
        spec.container_name = ifname("eth3");
        spec.host_name = ifname("flt7");
        kernel.create_veth(&spec).await.expect("made");
        spec.container_ifindex = None;
        spec.host_ifindex = 999;
        spec.container_name = ifname("eth1");
        spec.host_name = ifname("flt9");
        let made = kernel.create_veth(&spec).await.expect("made");
        assert_eq!(made.container_ifindex, 1003, "1000 to 1002 are taken");
    });
}

#[test]
fn a_pair_that_cannot_be_finished_leaves_nothing_behind() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let mut spec = veth(1, &netns);
        spec.alias = Some("x".repeat(300));
        let e = kernel.create_veth(&spec).await.expect_err("too long");
        assert!(e.to_string().contains("alias"), "{e}");
        assert!(e.errno().is_some() && !e.is_retryable());
        assert!(host.link("flt1").is_none() && pod.link("eth0").is_none());

        for bad in [0, 1, u32::MAX] {
            let mut spec = veth(1, &netns);
            spec.host_ifindex = bad;
            let e = kernel.create_veth(&spec).await.expect_err("no index");
            assert_eq!(e, LinkError::BadIndex { ifindex: bad });
        }
    });
}

#[test]
fn addresses_and_routes_are_usable_at_once() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let made = kernel.create_veth(&veth(1, &netns)).await.expect("made");
        let mut spec = dual_stack(made.container_ifindex);
        spec.routes.push(ContainerRoute {
            src: Some(ip("10.100.0.5")),
            onlink: true,
            metric: Some(77),
            mtu: Some(1400),
            ..ContainerRoute::new(net("192.0.2.0/24"), Some(ip("198.51.100.1")))
        });
        spec.routes
            .push(ContainerRoute::new(net("198.51.100.0/24"), None));
        kernel
            .configure_container(&netns, &spec)
            .await
            .expect("configured");

        let six = pod.ip(&["-6", "addr", "show", "dev", "eth0", "scope", "global"]);
        let flags = &six[0]["addr_info"][0];
        assert_eq!(flags["nodad"], true);
        assert!(flags["tentative"].is_null(), "usable at once: {flags}");
        assert_eq!(pod.link("lo").expect("there")["operstate"], "UNKNOWN");
        assert_eq!(
            pod.exec(&["sysctl", "-n", "net.ipv6.conf.eth0.accept_ra"])
                .trim(),
            "0"
        );

        let four = pod.ip(&["route", "show", "default"]);
        assert_eq!(four[0]["gateway"], "10.100.0.1");
        let six = pod.ip(&["-6", "route", "show", "default"]);
        assert_eq!(six[0]["gateway"], "2001:db8:100::1");
        let special = pod.ip(&["route", "show", "192.0.2.0/24"]);
        assert_eq!(special[0]["metric"], 77);
        assert_eq!(special[0]["prefsrc"], "10.100.0.5");
        assert_eq!(special[0]["flags"][0], "onlink");
        assert_eq!(special[0]["metrics"][0]["mtu"], 1400);
        assert_eq!(
            pod.ip(&["route", "show", "198.51.100.0/24"])[0]["scope"],
            "link"
        );

        // A second time finds everything there.
        kernel
            .configure_container(&netns, &spec)
            .await
            .expect("nothing to do");
    });
}

#[test]
fn checksum_offload_is_off_as_ethtool_sees_it() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let made = kernel.create_veth(&veth(1, &netns)).await.expect("made");
        let mut spec = dual_stack(made.container_ifindex);
        spec.tx_checksum_off = false;
        kernel
            .configure_container(&netns, &spec)
            .await
            .expect("configured");
        let features = pod.exec(&["ethtool", "-k", "eth0"]);
        assert!(features.contains("tx-checksumming: on"), "{features}");

        spec.tx_checksum_off = true;
        kernel
            .configure_container(&netns, &spec)
            .await
            .expect("configured");
        let features = pod.exec(&["ethtool", "-k", "eth0"]);
        for off in [
            "tx-checksumming: off",
            "tx-tcp-segmentation: off",
            "tx-tcp6-segmentation: off",
            "tx-udp-segmentation: off",
        ] {
            assert!(features.contains(off), "{off} is wanted: {features}");
        }
    });
}

#[test]
fn ipv6_is_switched_on_where_the_runtime_switched_it_off() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    for which in ["all", "default"] {
        let off = format!("net.ipv6.conf.{which}.disable_ipv6=1");
        pod.exec(&["sysctl", "-qw", &off]);
    }
    pod.exec(&["sysctl", "-qw", "net.ipv6.conf.default.addr_gen_mode=1"]);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let made = kernel.create_veth(&veth(1, &netns)).await.expect("made");
        kernel
            .configure_container(&netns, &dual_stack(made.container_ifindex))
            .await
            .expect("configured");
        assert_eq!(
            pod.addresses("eth0"),
            ["10.100.0.5/24", "2001:db8:100::5/64"]
        );
        let six = pod.ip(&["-6", "route", "show", "default"]);
        assert_eq!(six[0]["gateway"], "2001:db8:100::1");
        let default = pod.exec(&["sysctl", "-n", "net.ipv6.conf.default.disable_ipv6"]);
        assert_eq!(default.trim(), "1", "only our interface is touched");
        // The link-local address is the one that follows from the MAC. It comes when the
        // carrier does.
        let came = async {
            loop {
                let all = pod.ip(&["-6", "addr", "show", "dev", "eth0", "scope", "link"]);
                if all.to_string().contains("\"fe80::8f1:aff:fe64:5\"") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(SOON, came)
            .await
            .expect("fe80::8f1:aff:fe64:5");
    });
}

#[test]
fn an_ipv4_container_keeps_ipv6_as_it_was() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    pod.exec(&["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"]);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let made = kernel.create_veth(&veth(1, &netns)).await.expect("made");
        let mut spec = dual_stack(made.container_ifindex);
        spec.addresses.truncate(1);
        spec.routes.truncate(1);
        kernel
            .configure_container(&netns, &spec)
            .await
            .expect("configured");
        let six = pod.ip(&["-6", "addr", "show", "dev", "eth0"]);
        assert!(six[0]["addr_info"].as_array().is_none_or(Vec::is_empty));
    });
}

#[test]
fn a_gateway_out_of_reach_and_a_taken_route_are_told_apart() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, &pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let made = kernel.create_veth(&veth(1, &netns)).await.expect("made");
        let mut spec = dual_stack(made.container_ifindex);
        for far in ["203.0.113.1", "2001:db8:bad::1"] {
            spec.routes = vec![ContainerRoute::new(
                if far.contains(':') {
                    net("::/0")
                } else {
                    net("0.0.0.0/0")
                },
                Some(ip(far)),
            )];
            let e = kernel
                .configure_container(&netns, &spec)
                .await
                .expect_err("no way there");
            assert!(
                matches!(e, ConfigureError::GatewayUnreachable { .. }),
                "{e}"
            );
            assert!(e.to_string().contains(far), "{e}");
        }

        let mut second = veth(2, &netns);
        second.container_name = ifname("eth1");
        let made2 = kernel.create_veth(&second).await.expect("made");
        let mut other = dual_stack(made2.container_ifindex);
        other.ifname = ifname("eth1");
        other.addresses = vec![net("10.101.0.5/24")];
        other.routes = vec![ContainerRoute::new(
            net("0.0.0.0/0"),
            Some(ip("10.101.0.1")),
        )];
        kernel
            .configure_container(&netns, &other)
            .await
            .expect("configured");
        spec.routes = vec![ContainerRoute::new(
            net("0.0.0.0/0"),
            Some(ip("10.100.0.1")),
        )];
        let e = kernel
            .configure_container(&netns, &spec)
            .await
            .expect_err("eth1 has it");
        assert_eq!(
            e,
            ConfigureError::RouteTaken {
                dst: net("0.0.0.0/0")
            }
        );

        spec.ifindex = 4242;
        let e = kernel
            .configure_container(&netns, &spec)
            .await
            .expect_err("no such interface");
        assert!(matches!(e, ConfigureError::NoInterface { .. }), "{e}");
    });
}

#[test]
fn a_namespace_that_was_removed_is_noticed_and_nothing_hangs() {
    if !wanted() {
        return;
    }
    let (host, pod) = (Ns::new(), Ns::new());
    let (host, pod) = (&host, pod);
    with_kernel(host, |kernel| async move {
        let netns = pod.open();
        let path = pod.path();
        let made = kernel.create_veth(&veth(1, &netns)).await.expect("made");
        assert!(netns.is_still_at_its_path());
        drop(pod);
        assert!(!netns.is_still_at_its_path());
        // The descriptor keeps it alive: what goes on ends well, and is lost.
        kernel
            .configure_container(&netns, &dual_stack(made.container_ifindex))
            .await
            .expect("configured");
        let e = Netns::open(&path).expect_err("removed");
        assert!(matches!(e, NetnsError::NotFound { .. }), "{e}");
        let mut events = kernel.watch();
        drop(netns);
        // With the last descriptor the namespace goes, and the pair with it.
        tokio::time::timeout(SOON, async {
            while kernel.link(&ifname("flt1")).await.expect("read").is_some() {
                events.next().await;
            }
        })
        .await
        .expect("the kernel takes the pair down");
        let gone = kernel.delete_link(&ifname("flt1"), Some(1001), SOON).await;
        assert!(!gone.expect("absent").existed);
    });
}

#[test]
fn the_namespace_that_the_adapter_works_in_is_no_container() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let host = &host;
    with_kernel(host, |kernel| async move {
        let e = Netns::open(&host.path()).expect_err("it is home");
        assert!(matches!(e, NetnsError::OwnNamespace { .. }), "{e}");
        assert_eq!(kernel.home().inode, inode(&host.path()));
    });
}

fn inode(path: &NetnsPath) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path.as_path()).expect("there").ino()
}
