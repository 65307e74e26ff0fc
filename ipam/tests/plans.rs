//! No plan that the check passes is refused by ipamd for what stands in the document alone.

#[path = "../../crates/plan/tests/properties/shape.rs"]
#[allow(dead_code, reason = "the check's own tests use all of it")]
mod shape;
#[path = "../../crates/plan/tests/properties/wild.rs"]
mod wild;

use flatnet_ipam::daemon::declare;
use flatnet_plan::load;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_the_check_passes_ipamd_takes(shape in shape::shapes(), changes in wild::changes()) {
        let text = wild::changed(&shape.text(), &changes);
        let Ok(plan) = load(&text) else { return Ok(()) };
        let declared = declare(&plan);
        prop_assert!(declared.is_ok(), "{:?}\n{text}", declared.err());
    }
}
