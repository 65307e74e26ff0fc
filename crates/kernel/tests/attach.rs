//! Making, configuring and deleting a container's interface, read back by `ip`.

mod common;

use std::time::Duration;

use common::{Ns, dual_stack, ifname, veth, wanted, with_kernel};
use flatnet_kernel::{LinkError, host_end_mac};

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

        // Left to choose, the adapter finds a free index.
        spec.host_ifindex = 1001 - 1;
        spec.container_ifindex = None;
        spec.host_ifindex = 1001;
        spec.host_name = ifname("flt9");
        spec.host_ifindex = 2001;
        let made = kernel.create_veth(&spec).await.expect("made");
        assert_eq!(made.container_ifindex, 2002);
    });
}
