//! The driver against the reference plugins, in a namespace that stands for a node. Needs
//! root and Debian's `containernetworking-plugins`: `FLATNET_ROOT_TESTS=1`.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::super::*;

const PLUGINS: &str = "/usr/lib/cni";

fn enabled() -> bool {
    std::env::var_os("FLATNET_ROOT_TESTS").is_some()
}

fn output(netns: &ContainerNs, program: &str, args: &[&str]) -> String {
    let out = netns
        .run(Command::new(program).args(args))
        .expect("the program runs");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// bridge + host-local, tuning, and portmap behind them.
fn reference_list(data_dir: &Path) -> Conflist {
    let list = json!({
        "cniVersion": "1.0.0", "name": "reference",
        "plugins": [
            {"type": "bridge", "bridge": "ref0", "isGateway": true, "ipMasq": false,
             "ipam": {"type": "host-local", "dataDir": data_dir,
                      "ranges": [[{"subnet": "10.77.0.0/16"}]],
                      "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.arp_filter": "1"}},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    Conflist::parse(list.to_string().as_bytes()).expect("a list")
}

#[test]
fn the_reference_plugins_attach_check_and_detach() {
    if !enabled() {
        return;
    }
    let pid = std::process::id();
    let node = ContainerNs::create(&format!("t{pid}-node")).expect("root");
    let container = ContainerNs::create(&format!("t{pid}-a")).expect("root");
    let data = tempfile::tempdir().expect("a directory");
    let cni = Cni::new(reference_list(data.path()), &[Path::new(PLUGINS)]).on_node(node.path());
    let conf = RuntimeConf::new(container.id(), container.path(), "eth0")
        .capability(
            "portMappings",
            json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]),
        )
        .arg("IgnoreUnknown", "1");

    let added = cni.add(&conf).expect("ADD");
    let address = added.result.addresses()[0].to_string();
    let inside = output(&container, "ip", &["-4", "address", "show", "dev", "eth0"]);
    assert!(inside.contains(&address), "{address} in {inside}");
    let rules = output(&node, "iptables-save", &["-t", "nat"]);
    assert!(rules.contains("8080"), "portmap ran on the node: {rules}");
    let pinged = node
        .run(Command::new("ping").args(["-c1", "-W2", &address]))
        .expect("ping runs");
    assert!(pinged.status.success(), "the node reaches {address}");

    // portmap 1.1.1's CHECK looks for IPv4 rules in ip6tables and never succeeds where that is.
    let mut checked = cni.list().clone();
    checked.plugins.pop();
    let checker = Cni::new(checked, &[Path::new(PLUGINS)]).on_node(node.path());
    checker.check(&conf, &added.raw).expect("CHECK");
    let arp_filter = "/proc/sys/net/ipv4/conf/eth0/arp_filter";
    assert_eq!(output(&container, "cat", &[arp_filter]).trim(), "1");
    let again = cni.add(&conf).expect_err("eth0 exists");
    assert!(again.code().is_some(), "{again}");

    cni.del(&conf, Some(&added.raw)).expect("DEL");
    cni.del(&conf, Some(&added.raw)).expect("DEL, repeated");
    let inside = output(&container, "ip", &["address", "show", "dev", "eth0"]);
    assert!(!inside.contains(&address), "{inside}");
    let rules = output(&node, "iptables-save", &["-t", "nat"]);
    assert!(!rules.contains("8080"), "{rules}");
    assert!(
        cni.versions("bridge")
            .expect("VERSION")
            .contains(&"1.0.0".to_owned())
    );
}

#[test]
fn a_namespace_is_there_until_it_is_dropped() {
    if !enabled() {
        return;
    }
    let id = format!("t{}-drop", std::process::id());
    let netns = ContainerNs::create(&id).expect("root");
    let path = netns.path().to_owned();
    assert_eq!(
        output(&netns, "ip", &["-br", "link"]).lines().count(),
        1,
        "lo alone"
    );
    let again = ContainerNs::create(&id).expect("what is left over is replaced");
    drop(netns);
    assert!(!path.exists());
    drop(again);
    netns::remove(&path).expect("removing the absent is no error");
}
