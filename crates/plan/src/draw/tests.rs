//! What must hold of every picture, by examples, by odd plans and by the generator's.

mod audit;
mod odd;
mod wires;

#[path = "../../tests/properties/shape.rs"]
mod shape;

use proptest::prelude::*;

use super::*;
use audit::audit;

fn plan(text: &str) -> NetworkPlan {
    crate::load(text).expect("an example is sound")
}

const HYBRID: &str = include_str!("../../../../examples/hybrid.yaml");
const LAB: &str = include_str!("../../../../examples/lab.yaml");
const SMALL: &str = include_str!("../../../../examples/small.yaml");

/// Whether tags are closed in the order in which they were opened.
fn well_formed(svg: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    for piece in svg.split('<').skip(1) {
        let Some((tag, text)) = piece.split_once('>') else {
            return false;
        };
        let name = tag
            .split([' ', '/'])
            .find(|p| !p.is_empty())
            .unwrap_or_default();
        match (
            tag.starts_with('/'),
            tag.ends_with('/') || tag.starts_with('?'),
        ) {
            (true, _) => {
                if open.pop() != Some(name) {
                    return false;
                }
            }
            (false, false) => open.push(name),
            (false, true) => {}
        }
        let entities = ["amp;", "lt;", "gt;", "quot;"];
        let known = |after: &str| entities.iter().any(|e| after.starts_with(e));
        if !text.split('&').skip(1).all(known) {
            return false;
        }
    }
    open.is_empty()
}

/// Fails with everything that is wrong with a plan's picture.
fn right(plan: &NetworkPlan) -> Result<(), TestCaseError> {
    let wrong = audit(plan, &picture(plan));
    prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let svg = draw(plan);
    prop_assert!(well_formed(&svg), "{svg}");
    prop_assert_eq!(svg, draw(plan));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_picture_of_a_generated_plan_is_right(shape in shape::shapes()) {
        right(&plan(&shape.text()))?;
    }

    #[test]
    fn the_picture_of_an_odd_plan_is_right(shape in shape::shapes(), edits in odd::edits()) {
        right(&odd::changed(plan(&shape.text()), &edits))?;
    }
}

#[test]
fn the_pictures_of_the_examples_and_of_sound_plans_are_right() {
    for text in [SMALL, LAB, HYBRID] {
        right(&plan(text)).expect("an example");
    }
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures).expect("fixtures") {
        let good = entry.expect("an entry").path().join("good.yaml");
        let Ok(text) = std::fs::read_to_string(&good) else {
            continue;
        };
        if let Ok(plan) = crate::load(&text) {
            let checked = right(&plan);
            assert!(checked.is_ok(), "{}: {checked:?}", good.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} fixtures");
}

#[test]
fn a_host_with_two_switches_that_are_no_peers_is_at_both() {
    let mut plan = plan(LAB);
    let uplink = "{interface: bond0, bond: active-backup, nics: [{interface: eth0, switch: tor1}, {interface: eth1, switch: tor2}]}";
    plan.spec.hosts[0].uplink = serde_norway::from_str(uplink).expect("an uplink");
    let svg = draw(&plan);
    assert_eq!(svg.matches(">idc1</text>").count(), 2, "{svg}");
    assert_eq!(svg.matches(">at tor1 + tor2</text>").count(), 2);
    assert!(svg.contains("<title>switch tor1 in idc</title>"));
    // tor1 has idc1, tor2 has idc1 and idc2.
    let counts = |switch: &str| {
        let after = svg.split(&format!(">{switch}</text>")).nth(1);
        let count = after.and_then(|a| a.split("</text>").next());
        count.and_then(|c| c.rsplit('>').next()).map(str::to_owned)
    };
    assert_eq!(counts("tor1").as_deref(), Some("1 host"));
    assert_eq!(counts("tor2").as_deref(), Some("2 hosts"));
}

/// tor1 has no uplink of its own, but tor2, its peer, hangs on agg, and agg on core.
const TIERS: &str = include_str!("../../tests/fixtures/FN0411/good.yaml");

#[test]
fn an_edge_router_leads_to_the_topmost_switches_alone() {
    let picture = picture(&plan(TIERS));
    let edge = picture.edges.iter();
    let mut edge = edge.filter(|e| matches!(e.wire, picture::Wire::Edge(_)));
    let edge = edge.next().expect("the edge router's line");
    let points: Vec<_> = edge.pieces.iter().flat_map(|(a, b)| [*a, *b]).collect();
    let met = |b: &&PlanBox| {
        let at = |(x, y): (i32, i32)| x == b.area.x && y > b.area.y && y < b.area.bottom();
        b.look == Look::Switch && points.iter().any(|p| at(*p))
    };
    let met: Vec<&Subject> = picture
        .boxes
        .iter()
        .filter(met)
        .map(|b| &b.subject)
        .collect();
    assert_eq!(met, [&Subject::Switch("idc".into(), "core".into())]);
}

#[test]
fn uplinks_to_other_switches_have_other_colours() {
    let svg = draw(&plan(TIERS));
    for colour in &svg::UPLINKS[..2] {
        assert!(svg.contains(&format!("stroke=\"{colour}\" stroke-width=\"2\"")));
    }
}

#[test]
fn leased_lines_between_two_sites_are_straight() {
    for text in [LAB, HYBRID] {
        let edges = picture(&plan(text)).edges;
        let lines = edges
            .iter()
            .filter(|e| matches!(e.wire, picture::Wire::Line(_)));
        assert!(lines.into_iter().all(|l| l.pieces.len() == 1));
    }
}

#[test]
fn what_a_plan_does_not_name_is_no_box() {
    // The lab has no core, no edge router, no VBR and no route table.
    let boxes = picture(&plan(LAB)).boxes;
    assert!(!boxes.iter().any(|b| b.look == Look::Border));
    assert!(!boxes.iter().any(|b| b.look == Look::RouteTable));
    for gone in ["layer 2", "edge router", "VBR", "VPC router", "core"] {
        assert!(!draw(&plan(LAB)).contains(gone), "{gone}");
    }
}

#[test]
fn a_card_says_what_ipamd_is_to_cut() {
    let mut plan = plan(LAB);
    plan.spec.networks[0].pools[0].slice_length = Some(26);
    plan.spec.hosts[0].ranges.clear();
    let svg = draw(&plan);
    assert!(svg.contains(">web /26 by ipamd</text>"), "{svg}");
}

#[test]
fn five_hundred_hosts_are_one_page() {
    let plan = plan(HYBRID);
    assert!(draw(&plan).len() < 200_000);
    let picture = picture(&plan);
    let cards = picture.boxes.iter().filter(|b| b.look == Look::Card);
    assert!(cards.count() <= 40);
    assert!(picture.height < 2600, "{} pixels", picture.height);
    assert!(picture.width < 2600, "{} pixels", picture.width);
}

#[test]
fn no_name_breaks_the_document() {
    let mut plan = plan(LAB);
    plan.metadata.name = "a<b>&\"'\u{1}".into();
    plan.spec.sites[0].vlans[0].name = "]]>&".into();
    plan.spec.links[0].name = "</svg>".into();
    let svg = draw(&plan);
    assert!(well_formed(&svg), "{svg}");
    assert_eq!(svg.matches("</svg>").count(), 1);
    assert!(
        svg.contains(">a&lt;b&gt;&amp;&quot;'\u{fffd}</text>"),
        "{svg}"
    );
}

#[test]
fn an_empty_plan_and_an_empty_site_are_pictures_too() {
    let mut plan = plan(LAB);
    plan.spec.networks.clear();
    plan.spec.hosts.clear();
    plan.spec.links.clear();
    for site in &mut plan.spec.sites {
        site.switches.clear();
        site.vlans.clear();
        site.v_switches.clear();
    }
    right(&plan).expect("sites with nothing in them");
    plan.spec.sites.clear();
    right(&plan).expect("nothing");
}

/// A change to a picture, and what the audit is to say of it.
type Spoiled = (&'static str, fn(&mut Picture));

#[test]
fn the_audit_finds_what_it_looks_for() {
    let plan = plan(HYBRID);
    let sound = picture(&plan);
    let spoiled: [Spoiled; 10] = [
        ("leaves Area", |p| {
            p.texts[0].line.push_str(&"long ".repeat(99))
        }),
        ("is on \"", |p| p.texts.push(p.texts[0].clone())),
        ("is on Switch", |p| {
            let switch = p.boxes.iter().position(|b| b.look == Look::Switch);
            let mut copy = p.boxes[switch.expect("a switch")].clone();
            copy.area = copy.area.moved((20, 20));
            p.boxes.push(copy);
        }),
        ("is not in the plan", |p| {
            p.boxes[0].subject = Subject::Site("other".into());
        }),
        ("has no box", |p| p.boxes.retain(|b| b.look != Look::Border)),
        ("is not at Switch", |p| {
            p.boxes.retain(|b| b.look != Look::Card)
        }),
        ("does not say", |p| {
            p.texts.retain(|t| t.line != "10.103.0.1")
        }),
        ("runs over", |p| {
            let at = p
                .boxes
                .iter()
                .find(|b| b.look == Look::Card)
                .expect("a card");
            let (x, y) = (at.area.x - 5, at.area.y + 25);
            p.edges[0].pieces.push(((x, y), (x + 50, y)));
        }),
        ("has no line", |p| {
            p.edges
                .retain(|e| !matches!(e.wire, picture::Wire::Peers(..)));
        }),
        ("\") and Line(", |p| {
            let line = p
                .edges
                .iter()
                .position(|e| matches!(e.wire, picture::Wire::Line(_)));
            let mut copy = p.edges[line.expect("a line")].clone();
            copy.wire = picture::Wire::Line("line2".into());
            p.edges.push(copy);
        }),
    ];
    for (wanted, spoil) in spoiled {
        let mut changed = sound.clone();
        spoil(&mut changed);
        let wrong = audit(&plan, &changed).join("\n");
        assert!(wrong.contains(wanted), "{wanted}: {wrong}");
    }
}
