//! The cable between the host and its router, and what the plan says of it.

use anyhow::{Context, Result, ensure};

use super::inside::{HOST, ROUTER, inside, ip};
use crate::run;

/// The links of a bond, and the router's ends of them.
pub(super) const LINKS: [(&str, &str); 2] = [("nic0", "port0"), ("nic1", "port1")];
/// How the host's VLAN comes to the NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::suites) enum Wiring {
    /// Without a tag, and the plan says so.
    Untagged,
    /// With tag 10; the address is on eth0.10.
    Tagged,
    /// Without a tag, and the plan says that there is one.
    TaggedByPlanOnly,
    /// Without a tag, and eth0 is down and bare: what the distribution has for it brings it up.
    Bare,
    /// Without a tag; eth0 is a bond of two links.
    Bonded(Bond),
}

/// How a bond's links share the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::suites) enum Bond {
    /// One sends.
    ActiveBackup,
    /// Both send; the other end is a bond too (IEEE 802.1AX).
    Lacp,
}

impl Bond {
    /// The mode's name in the plan.
    fn mode(self) -> &'static str {
        match self {
            Self::ActiveBackup => "active-backup",
            Self::Lacp => "lacp",
        }
    }
}

impl Wiring {
    pub(super) fn device(self) -> &'static str {
        match self {
            Self::Tagged => "eth0.10",
            Self::Untagged | Self::TaggedByPlanOnly | Self::Bare | Self::Bonded(_) => "eth0",
        }
    }
}

/// The namespaces of a host and its router, with the cable, and the router's addresses.
pub(super) fn wire(wiring: Wiring) -> Result<()> {
    for name in [HOST, ROUTER] {
        run::output(run::command("ip").args(["netns", "add", name]))?;
        ip(name, "link set lo up")?;
    }
    let mut devices = vec![(HOST, "eth0"), (ROUTER, "down0")];
    if let Wiring::Bonded(bond) = wiring {
        // Of the bond first: it is what a kernel may lack.
        let lacp = "type bond mode 802.3ad miimon 50 lacp_rate fast";
        let (here, there) = match bond {
            Bond::ActiveBackup => ("type bond mode active-backup miimon 50", "type bridge"),
            Bond::Lacp => (lacp, lacp),
        };
        ip(HOST, &format!("link add eth0 {here}"))?;
        ip(ROUTER, &format!("link add down0 {there}"))?;
        for (nic, port) in LINKS {
            ip(
                HOST,
                &format!("link add {nic} type veth peer name {port} netns {ROUTER}"),
            )?;
            ip(HOST, &format!("link set {nic} master eth0"))?;
            ip(ROUTER, &format!("link set {port} master down0"))?;
            devices.extend([(HOST, nic), (ROUTER, port)]);
        }
    } else {
        ip(
            HOST,
            &format!("link add eth0 type veth peer name down0 netns {ROUTER}"),
        )?;
    }
    for (namespace, device) in devices {
        // The userspace datapath reads frames whose checksums nobody fills in.
        inside(namespace, &format!("ethtool -K {device} tx off"))?;
        if wiring != Wiring::Bare || namespace == ROUTER {
            ip(namespace, &format!("link set {device} up"))?;
        }
    }
    let mut router = "down0".to_owned();
    if wiring == Wiring::Tagged {
        router = "down0.10".to_owned();
        ip(ROUTER, "link add link down0 name down0.10 type vlan id 10")?;
        ip(ROUTER, "link set down0.10 up")?;
    }
    ip(ROUTER, &format!("address add 10.0.0.1/24 dev {router}"))?;
    ip(
        ROUTER,
        &format!("-6 address add fd00::1/64 dev {router} nodad"),
    )?;
    Ok(())
}

/// Whether both of a bond's links are of one aggregate, as both ends see it.
pub(super) fn aggregated() -> Result<()> {
    for (namespace, bond) in [(HOST, "eth0"), (ROUTER, "down0")] {
        let file = format!("cat /sys/class/net/{bond}/bonding/ad_num_ports");
        let ports = inside(namespace, &file)?;
        ensure!(
            ports.trim() == "2",
            "{bond} has {} ports in its aggregate",
            ports.trim()
        );
    }
    Ok(())
}

/// The link by which a bond of [`Bond::ActiveBackup`] sends.
pub(super) fn active_link() -> Result<String> {
    let text = inside(HOST, "cat /sys/class/net/eth0/bonding/active_slave")?;
    Ok(text.trim().to_owned())
}

/// Takes the carrier of a bond's link away, at the router's end.
pub(super) fn cut(link: &str) -> Result<()> {
    set_port(link, "down")
}

/// Gives it back.
pub(super) fn join(link: &str) -> Result<()> {
    set_port(link, "up")
}

fn set_port(link: &str, state: &str) -> Result<()> {
    let found = LINKS.iter().find(|(nic, _)| *nic == link);
    let (_, port) = found.with_context(|| format!("{link} is no link of the bond"))?;
    ip(ROUTER, &format!("link set {port} {state}")).map(drop)
}

/// The plan of the one host.
pub(super) fn plan(wiring: Wiring) -> String {
    let untagged = matches!(wiring, Wiring::Untagged | Wiring::Bare | Wiring::Bonded(_));
    let cables = match wiring {
        Wiring::Bonded(bond) => format!(
            r#"bond: {}, nics: [{{interface: nic0, switch: tor1, port: "1"}}, {{interface: nic1, switch: tor1, port: "2"}}]"#,
            bond.mode()
        ),
        _ => r#"switch: tor1, port: "1""#.to_owned(),
    };
    format!(
        r#"apiVersion: flatnet.io/v1alpha1
kind: NetworkPlan
metadata: {{name: uplink}}
spec:
  sites:
    - name: idc
      type: IDC
      switches: [{{name: tor1}}]
      vlans:
        - {{id: 10, name: hosts, role: host, subnets: [{{prefix: 10.0.0.0/24, gateway: 10.0.0.1}}]}}
        - {{id: 100, name: pods, role: pod, subnets: [{{prefix: 10.100.0.0/24, gateway: 10.100.0.1}}]}}
  networks:
    - {{name: pods, site: idc, vlan: 100, pools: [{{prefix: 10.100.0.0/24}}]}}
  hosts:
    - name: h1
      site: idc
      addresses: [10.0.0.5/24]
      uplink: {{interface: eth0, {cables}, untagged: {untagged}}}
      ranges: [{{network: pods, prefix: 10.100.0.64/26}}]
"#
    )
}
