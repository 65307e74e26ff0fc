//! What the plan wants the fabric to be.

use std::collections::BTreeMap;

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{Host, Site, SiteType};
use flatnet_plan::node::host_subnets;
use flatnet_types::{MacAddr, Mtu, VlanId};
use ipnetwork::IpNetwork;

use super::routes::{self, DHCP};
use super::{Cable, End, Fabric, Link, Member, Origin, Role, Route, Switch};
use crate::error::{Error, Result};
use crate::paths::{EDGE, SUPERVISOR, VPC_ROUTER};

/// The bridge of a top-of-rack switch.
const TOR_BRIDGE: &str = "br-tor";
/// The edge router's bridge.
const EDGE_BRIDGE: &str = "br-edge";

/// Derives the fabric. The routes between nodes are not the lab's: netd and vpc-route set them.
///
/// # Errors
/// [`Error::Unsupported`] for what one lab cannot be: two IDCs, a name that no interface
/// can bear, an IDC node without a switch.
pub(crate) fn desired(plan: &NetworkPlan) -> Result<Fabric> {
    let idc = single(plan, SiteType::Idc)?;
    let vpc = single(plan, SiteType::Vpc)?;
    let mut b = Builder {
        plan,
        fabric: Fabric::default(),
    };
    b.member(SUPERVISOR, Role::Supervisor)?;
    if let Some(site) = idc {
        b.switches(site)?;
    }
    if let Some(site) = vpc {
        b.vpc_router(site)?;
    }
    for host in &plan.spec.hosts {
        match (idc, vpc) {
            (Some(site), _) if site.name == host.site => b.idc_node(site, host)?,
            (_, Some(site)) if site.name == host.site => b.vpc_node(site, host)?,
            _ => return Err(unsupported(format!("host {} is in no site", host.name))),
        }
    }
    if let (Some(idc), Some(vpc)) = (idc, vpc) {
        b.lines(&idc.name, &vpc.name)?;
    }
    Ok(b.fabric)
}

struct Builder<'p> {
    plan: &'p NetworkPlan,
    fabric: Fabric,
}

impl Builder<'_> {
    fn mtu(&self) -> Mtu {
        self.plan.spec.mtu
    }

    fn member(&mut self, name: &str, role: Role) -> Result<&mut Member> {
        if self.fabric.member(name).is_some() {
            return Err(unsupported(format!(
                "two members of the lab would be called {name}; \
                 {EDGE}, {VPC_ROUTER} and {SUPERVISOR} are the lab's own"
            )));
        }
        self.fabric.members.push(Member {
            name: name.to_owned(),
            role,
            sysctls: sysctls(role),
            links: Vec::new(),
            routes: Vec::new(),
            switch: None,
        });
        let last = self.fabric.members.len() - 1;
        Ok(&mut self.fabric.members[last])
    }

    fn get(&mut self, name: &str) -> Option<&mut Member> {
        self.fabric.members.iter_mut().find(|m| m.name == name)
    }

    fn link(&mut self, member: &str, link: Link) -> Result<()> {
        if link.name.len() > flatnet_types::name::IF_NAME_MAX {
            return Err(unsupported(format!(
                "{:?} is to name an interface of the lab, which takes {} bytes at most",
                link.name,
                flatnet_types::name::IF_NAME_MAX
            )));
        }
        if let Some(member) = self.get(member) {
            if member.link(&link.name).is_some() {
                return Err(unsupported(format!(
                    "{} would have two interfaces called {}",
                    member.name, link.name
                )));
            }
            member.links.push(link);
        }
        Ok(())
    }

    fn cable(&mut self, a: (&str, &str), b: (&str, &str), mtu: Mtu) -> Result<()> {
        for (member, name) in [a, b] {
            self.link(member, plain(name, Origin::Cable, mtu))?;
        }
        let end = |(member, link): (&str, &str)| End {
            member: member.to_owned(),
            link: link.to_owned(),
        };
        self.fabric.cables.push(Cable {
            a: end(a),
            b: end(b),
            mtu,
        });
        Ok(())
    }

    fn trunk(&mut self, member: &str, port: &str, vlans: &[VlanId]) {
        if let Some(switch) = self.get(member).and_then(|m| m.switch.as_mut()) {
            switch.trunks.insert(port.to_owned(), vlans.to_owned());
        }
    }

    /// The switches in a row, and the edge router at the first one.
    fn switches(&mut self, site: &Site) -> Result<()> {
        let mtu = self.mtu();
        let all: Vec<VlanId> = site.vlans.iter().map(|v| v.id).collect();
        for switch in &site.switches {
            self.member(&switch.name, Role::Switch)?.switch = Some(bridge(TOR_BRIDGE, mtu));
        }
        for pair in site.switches.windows(2) {
            let (left, right) = (&pair[0].name, &pair[1].name);
            self.cable((left, right), (right, left), mtu)?;
            self.trunk(left, right, &all);
            self.trunk(right, left, &all);
        }
        self.member(EDGE, Role::Edge)?.switch = Some(bridge(EDGE_BRIDGE, mtu));
        if let Some(first) = site.switches.first() {
            self.cable((EDGE, &first.name), (&first.name, EDGE), mtu)?;
            self.trunk(EDGE, &first.name, &all);
            self.trunk(&first.name, EDGE, &all);
        }
        for vlan in &site.vlans {
            let name = format!("vlan{}", vlan.id);
            let mut link = plain(&name, Origin::OvsInternal, mtu);
            link.addresses = gateways(&vlan.subnets)?;
            self.link(EDGE, link)?;
            if let Some(switch) = self.get(EDGE).and_then(|m| m.switch.as_mut()) {
                switch.internal.insert(name, vlan.id);
            }
        }
        Ok(())
    }

    fn vpc_router(&mut self, site: &Site) -> Result<()> {
        let mtu = self.mtu();
        self.member(VPC_ROUTER, Role::VpcRouter)?;
        for (v_switch, number) in site.v_switches.iter().zip(1u8..=u8::MAX) {
            let mac = MacAddr([0x02, 0xf1, 0xa7, 0, 0, number]);
            let mut link = plain(&v_switch.name, Origin::Bridge(mac), mtu);
            link.addresses = gateways(&v_switch.subnets)?;
            self.link(VPC_ROUTER, link)?;
        }
        Ok(())
    }

    /// netd puts the NIC into its bridge as a trunk: here it gets no address.
    fn idc_node(&mut self, site: &Site, host: &Host) -> Result<()> {
        let mtu = self.mtu();
        let name = host.name.as_str();
        let nic = host.uplink.interface.as_str();
        let Some(switch) = &host.uplink.switch else {
            return Err(unsupported(format!(
                "host {name} is in an IDC: its uplink needs a switch"
            )));
        };
        let member = self.member(name, Role::IdcNode)?;
        // A trunk's NIC speaks for nobody: not even a link-local address.
        let key = format!("ipv6/conf/{nic}/addr_gen_mode");
        member.sysctls.insert(key, "1".into());
        self.cable((name, nic), (switch, name), mtu)?;
        let vlans = vlans_of(self.plan, site, host);
        self.trunk(switch, name, &vlans);
        Ok(())
    }

    /// The lab is the cloud's DHCP: addresses and default routes by the vSwitch's router.
    fn vpc_node(&mut self, site: &Site, host: &Host) -> Result<()> {
        let mtu = self.mtu();
        let name = host.name.as_str();
        let nic = host.uplink.interface.as_str();
        let Some(v_switch) = &host.v_switch else {
            return Err(unsupported(format!(
                "host {name} is in a VPC: it needs a vSwitch"
            )));
        };
        let member = self.member(name, Role::VpcNode)?;
        // A NIC that is made anew comes up by netd's defaults, which are for containers' links.
        for key in [
            format!("ipv4/conf/{nic}/arp_ignore"),
            format!("ipv4/conf/{nic}/rp_filter"),
            format!("ipv6/conf/{nic}/disable_ipv6"),
        ] {
            member.sysctls.insert(key, "0".into());
        }
        self.cable((name, nic), (VPC_ROUTER, name), mtu)?;
        if let Some(port) = self.link_of(VPC_ROUTER, name) {
            port.master = Some(v_switch.clone());
        }
        if let Some(eth) = self.link_of(name, nic) {
            eth.addresses.clone_from(&host.addresses);
        }
        let defaults = host_subnets(site, host)
            .iter()
            .filter(|s| host.addresses.iter().any(|a| s.prefix.contains(a.ip())))
            .map(|subnet| Route {
                prefix: routes::default_of(subnet.gateway),
                via: subnet.gateway,
                link: nic.to_owned(),
                protocol: DHCP,
            })
            .collect();
        self.routes_of(name, defaults);
        Ok(())
    }

    fn lines(&mut self, idc: &str, vpc: &str) -> Result<()> {
        for (n, line) in self.plan.spec.links.iter().enumerate() {
            if line.idc != idc || line.vpc != vpc {
                continue;
            }
            let name = routes::line_name(n);
            let mtu = line.mtu.unwrap_or(self.mtu());
            self.cable((EDGE, &name), (VPC_ROUTER, &name), mtu)?;
            for transfer in &line.transfer {
                let length = transfer.prefix.prefix();
                for (member, ip) in [(EDGE, transfer.idc), (VPC_ROUTER, transfer.vpc)] {
                    let address = with_length(ip, length)?;
                    if let Some(link) = self.link_of(member, &name) {
                        link.addresses.push(address);
                    }
                }
            }
        }
        Ok(())
    }

    fn link_of(&mut self, member: &str, link: &str) -> Option<&mut Link> {
        self.get(member)?.links.iter_mut().find(|l| l.name == link)
    }

    fn routes_of(&mut self, member: &str, routes: Vec<Route>) {
        if let Some(member) = self.get(member) {
            member.routes.extend(routes);
        }
    }
}

/// The VLANs that a node needs on its trunk, and no other: its own and its networks'.
pub(crate) fn vlans_of(plan: &NetworkPlan, site: &Site, host: &Host) -> Vec<VlanId> {
    let own = site.host_vlan_of(host).map(|v| v.id).into_iter();
    let networks = host
        .ranges
        .iter()
        .filter_map(|r| plan.network(&r.network)?.vlan);
    let mut vlans: Vec<_> = own.chain(networks).collect();
    vlans.sort_unstable();
    vlans.dedup();
    vlans
}

/// Settings of the namespace: no waiting for duplicate address detection, no addresses
/// from router advertisements, forwarding only where a router is.
fn sysctls(role: Role) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut set = |key: &str, value: &str| all.insert(key.to_owned(), value.to_owned());
    let node = matches!(role, Role::IdcNode | Role::VpcNode);
    for conf in ["all", "default"] {
        set(&format!("ipv6/conf/{conf}/accept_dad"), "0");
        set(&format!("ipv6/conf/{conf}/accept_ra"), "0");
        // A node's defaults are netd's: two that set them would undo each other for ever.
        if !(node && conf == "default") {
            set(&format!("ipv6/conf/{conf}/disable_ipv6"), "0");
            set(&format!("ipv4/conf/{conf}/rp_filter"), "0");
        }
    }
    set("ipv6/conf/default/dad_transmits", "0");
    match role {
        Role::Edge | Role::VpcRouter => {
            set("ipv4/ip_forward", "1");
            set("ipv6/conf/all/forwarding", "1");
            // An interface that was down for a while has its addresses again, as a router's
            // configuration gives them.
            set("ipv6/conf/all/keep_addr_on_down", "1");
        }
        // A switch has no addresses at all.
        Role::Switch => {
            set("ipv6/conf/default/addr_gen_mode", "1");
        }
        Role::IdcNode | Role::VpcNode | Role::Supervisor => {}
    }
    all
}

fn single(plan: &NetworkPlan, kind: SiteType) -> Result<Option<&Site>> {
    let mut sites = plan.spec.sites.iter().filter(|s| s.site_type == kind);
    match (sites.next(), sites.next()) {
        (site, None) => Ok(site),
        _ => Err(unsupported("it takes one IDC and one VPC at most".into())),
    }
}

fn bridge(name: &str, mtu: Mtu) -> Switch {
    Switch {
        bridge: name.to_owned(),
        trunks: BTreeMap::new(),
        internal: BTreeMap::new(),
        mtu,
    }
}

fn plain(name: &str, origin: Origin, mtu: Mtu) -> Link {
    Link {
        name: name.to_owned(),
        origin,
        master: None,
        addresses: Vec::new(),
        mtu,
    }
}

fn gateways(subnets: &[flatnet_plan::model::Subnet]) -> Result<Vec<IpNetwork>> {
    subnets
        .iter()
        .map(|s| with_length(s.gateway, s.prefix.prefix()))
        .collect()
}

fn with_length(ip: std::net::IpAddr, length: u8) -> Result<IpNetwork> {
    IpNetwork::new(ip, length).map_err(|e| unsupported(format!("{ip}/{length}: {e}")))
}

fn unsupported(what: String) -> Error {
    Error::Unsupported(what)
}
