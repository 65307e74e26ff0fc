//! No plan that the check passes is refused by netd for what stands in the document
//! alone: every node derives its part, and its ranges are those of a host.

#[path = "../../crates/plan/tests/properties/shape.rs"]
#[allow(dead_code, reason = "the check's own tests use all of it")]
mod shape;
#[path = "../../crates/plan/tests/properties/wild.rs"]
mod wild;

use flatnet_netd::allocator::networks;
use flatnet_plan::slices::with_slices;
use flatnet_plan::{load, node};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_the_check_passes_netd_takes(
        shape in shape::shapes(),
        changes in wild::changes(),
    ) {
        let text = wild::changed(&shape.text(), &changes);
        let Ok(plan) = load(&text) else { return Ok(()) };
        // As it is, and with the slices that ipamd would give.
        for plan in [&plan, &*with_slices(&plan)] {
            for host in &plan.spec.hosts {
                let spec = node::derive(plan, &host.name);
                let spec = spec.map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
                let ranges = networks(&spec.networks);
                prop_assert!(ranges.is_ok(), "{}: {:#}\n{text}", host.name, ranges.unwrap_err());
                let ranges = ranges.expect("ranges");
                for (network, ranges) in ranges.iter() {
                    let room: u128 = ranges.iter().map(|r| r.capacity()).sum();
                    prop_assert!(room > 0, "{} has no address of {network}\n{text}", host.name);
                }
            }
        }
    }
}
