use super::super::matches::tests::any_match;
use super::super::{Bits, Field};
use super::*;
use proptest::prelude::*;

fn any_bits(field: Field) -> impl Strategy<Value = Bits> {
    let width = field.bits().min(64);
    (0..width).prop_flat_map(move |offset| {
        (1..=width - offset).prop_map(move |count| Bits {
            field,
            offset,
            count,
        })
    })
}

fn any_action() -> impl Strategy<Value = Action> {
    let field = || prop::sample::select(Field::ALL);
    prop_oneof![
        any::<u32>().prop_map(Action::output),
        any::<u16>().prop_map(Action::controller),
        Just(Action::push_vlan()),
        Just(Action::pop_vlan()),
        (field(), any::<u128>()).prop_map(|(f, v)| Action::set(f, v)),
        (field().prop_flat_map(any_bits), any::<u64>()).prop_map(|(b, v)| Action::load(b, v)),
        (field(), field()).prop_map(|(a, b)| {
            let count = a.bits().min(b.bits());
            let bits = |field| Bits {
                field,
                offset: 0,
                count,
            };
            Action::copy(bits(a), bits(b))
        }),
        (prop::option::of(0u16..0xff00), prop::option::of(0u8..255))
            .prop_map(|(in_port, table)| Action::Resubmit { in_port, table }),
    ]
}

pub(crate) fn any_flow() -> impl Strategy<Value = Flow> {
    (
        (0u8..254, any::<u16>(), any::<u64>(), any_match()),
        prop::collection::vec(any_action(), 0..6),
        prop::option::of(1u32..100),
        prop::option::of(0u8..254),
    )
        .prop_map(
            |((table, priority, cookie, matches), actions, meter, goto)| {
                let mut flow = Flow::new(table, priority)
                    .cookie(cookie)
                    .matching(matches)
                    .actions(actions);
                flow.instructions.meter = meter;
                flow.instructions.goto = goto;
                flow
            },
        )
}

proptest! {
    #[test]
    fn instructions_survive_the_wire(flow in any_flow()) {
        let mut bytes = Vec::new();
        flow.instructions.encode(&mut bytes);
        let back = Instructions::decode(&mut Reader::new(&bytes));
        prop_assert_eq!(back, Ok(flow.instructions));
    }

    #[test]
    fn decoding_garbage_never_panics(bytes: Vec<u8>) {
        let _ = Instructions::decode(&mut Reader::new(&bytes));
        let _ = FlowStats::decode(&mut Reader::new(&bytes));
    }

    #[test]
    fn a_set_against_itself_is_no_work(flows in prop::collection::vec(any_flow(), 0..8)) {
        let set: FlowSet = flows.into_iter().collect();
        prop_assert!(FlowSet::diff(&set, &set).is_empty());
    }

    #[test]
    fn applying_the_difference_reaches_what_is_desired(
        desired in prop::collection::vec(any_flow(), 0..8),
        actual in prop::collection::vec(any_flow(), 0..8),
        common in prop::collection::vec(any_flow(), 0..4),
    ) {
        let desired: FlowSet = desired.into_iter().chain(common.clone()).collect();
        // The common ones are there with another cookie too.
        let changed = common.into_iter().map(|f| f.cookie(7));
        let mut model: FlowSet = actual.into_iter().chain(changed).collect();
        let diff = FlowSet::diff(&desired, &model);
        for flow in diff.adds {
            model.insert(flow);
        }
        for key in diff.deletes {
            prop_assert!(model.remove(&key).is_some(), "only what is there is deleted");
        }
        prop_assert_eq!(model, desired);
    }
}

#[test]
fn a_flow_reads_like_ovs_ofctl() {
    let flow = Flow::new(3, 100)
        .cookie(0xf1)
        .matching(Match::arp().in_port(2))
        .meter(4)
        .actions([Action::set_arp_op(2), Action::in_port()])
        .goto(5);
    assert_eq!(
        flow.to_string(),
        "cookie=0xf1,table=3,priority=100,arp,in_port=2 \
         actions=meter:4,set_field:2->arp_op,IN_PORT,goto_table:5"
    );
    assert_eq!(
        Flow::new(0, 0).to_string(),
        "cookie=0x0,table=0,priority=0 actions=drop"
    );
    assert_eq!(
        serde_json::to_string(&Flow::new(0, 0).key()).expect("JSON"),
        "\"table=0,priority=0\""
    );
}

#[test]
fn bits_that_a_field_does_not_have_are_kept_as_they_came() {
    // NXAST_REG_MOVE of 0xffff bits from bit 0xfffe of reg0 to bit 0 of reg1.
    let bytes = [
        0xff, 0xff, 0, 24, 0, 0, 0x23, 0x20, 0, 6, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 1, 0, 4, 0, 1,
        2, 4,
    ];
    let action = Action::decode(&mut Reader::new(&bytes));
    assert_eq!(action, Ok(Action::Unknown(bytes.to_vec())));
}
