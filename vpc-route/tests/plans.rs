//! No plan that the check passes is refused by vpc-route for what stands in the document alone:
//! where the plan gives the cloud's IDs of its tables, every entry can be written.

#[path = "../../crates/plan/tests/properties/shape.rs"]
#[allow(dead_code, reason = "the check's own tests use all of it")]
mod shape;

use std::collections::BTreeMap;

use flatnet_plan::{load, parse, to_yaml};
use flatnet_vpc_route::desired::targets;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_the_check_passes_vpc_route_can_write(
        shape in shape::shapes(),
        lacks in prop::collection::vec(prop::bool::weighted(0.1), 16),
        families in 0_usize..3,
    ) {
        let mut plan = parse(&shape.text()).expect("the generator writes plans");
        let mut lacks = lacks.into_iter().cycle();
        let mut id = |text: String| (!lacks.next().unwrap_or(false)).then_some(text);
        for site in &mut plan.spec.sites {
            for table in &mut site.route_tables {
                table.id = id(format!("vtb-{}-{}", site.name, table.name));
            }
        }
        for line in &mut plan.spec.links {
            line.router_interface = id(format!("ri-{}", line.name));
            if let Some(vbr) = &mut line.vbr {
                vbr.router_interface = id(format!("ri-vbr-{}", line.name));
            }
            if families > 0 {
                line.transfer.truncate(families);
            }
        }
        for host in &mut plan.spec.hosts {
            host.instance_id = host.instance_id.take().and_then(&mut id);
        }
        let text = to_yaml(&plan).expect("YAML");
        let Ok(plan) = load(&text) else { return Ok(()) };
        let by_id = |name: &str| {
            let site = plan.site(name);
            site.is_some_and(|s| s.route_tables.iter().any(|t| t.id.is_some()))
        };
        // What only the configuration can say.
        let lines = plan.spec.links.iter();
        let interfaces: BTreeMap<String, String> =
            lines.map(|l| (l.name.clone(), format!("own-{}", l.name))).collect();
        for target in targets(&plan, &interfaces).expect("tables") {
            // A VPC without IDs is kept by people.
            if let Err(e) = target {
                let kept = plan.spec.sites.iter().filter(|s| by_id(&s.name));
                let named: Vec<&str> = kept.map(|s| s.name.as_str()).collect();
                let of_kept = named.iter().any(|n| e.title().ends_with(&format!(" in {n}")));
                let of_idc = e.title().starts_with("edge router");
                prop_assert!(!of_kept && !of_idc, "{e}\n{text}");
            }
        }
    }
}
