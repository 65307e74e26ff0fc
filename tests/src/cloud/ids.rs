//! The cloud's IDs for what a plan names without one.

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{RouteTable, SiteType, Vbr};

/// The plan with an ID for each instance, vSwitch, VPC, route table, VBR and router
/// interface; those that it has stay.
#[must_use]
pub fn identified(mut plan: NetworkPlan) -> NetworkPlan {
    let spec = &mut plan.spec;
    for site in spec
        .sites
        .iter_mut()
        .filter(|s| s.site_type == SiteType::Vpc)
    {
        let name = site.name.clone();
        site.vpc_id.get_or_insert_with(|| format!("vpc-{name}"));
        for v_switch in &mut site.v_switches {
            let name = &v_switch.name;
            v_switch.id.get_or_insert_with(|| format!("vsw-{name}"));
        }
        if site.route_tables.is_empty() {
            site.route_tables.push(RouteTable {
                cluster: None,
                name: "system".to_owned(),
                id: None,
                quota: RouteTable::DEFAULT_QUOTA,
                aggregate: true,
                v_switches: Vec::new(),
            });
        }
        for table in &mut site.route_tables {
            let id = || format!("vtb-{name}-{}", table.name);
            table.id.get_or_insert_with(id);
        }
        for host in spec.hosts.iter_mut().filter(|h| h.site == name) {
            let id = || format!("i-{}", host.name);
            host.instance_id.get_or_insert_with(id);
        }
    }
    for line in &mut spec.links {
        let name = &line.name;
        line.router_interface
            .get_or_insert_with(|| format!("ri-{name}-vpc"));
        let vbr = line.vbr.get_or_insert_with(|| Vbr {
            id: format!("vbr-{name}"),
            route_table: None,
            router_interface: None,
            quota: Vbr::DEFAULT_QUOTA,
            aggregate: true,
        });
        vbr.route_table.get_or_insert_with(|| format!("vtb-{name}"));
        vbr.router_interface
            .get_or_insert_with(|| format!("ri-{name}-vbr"));
    }
    plan
}

/// The VBR's interface towards the IDC, for which the plan has no field.
pub fn line_interface(line: &str) -> String {
    format!("ri-{line}-idc")
}
