use super::*;

fn plan(text: &str) -> NetworkPlan {
    crate::load(text).expect("an example is sound")
}

const HYBRID: &str = include_str!("../../../../examples/hybrid.yaml");
const LAB: &str = include_str!("../../../../examples/lab.yaml");

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
        if text.contains('&')
            && !["&amp;", "&lt;", "&gt;", "&quot;"]
                .iter()
                .any(|e| text.contains(e))
        {
            return false;
        }
    }
    open.is_empty()
}

#[test]
fn a_picture_names_every_site_switch_vlan_and_line() {
    for text in [LAB, HYBRID] {
        let plan = plan(text);
        let svg = draw(&plan);
        assert!(well_formed(&svg));
        for site in &plan.spec.sites {
            assert!(
                svg.contains(&format!(">{}</text>", site.name)),
                "{}",
                site.name
            );
            for switch in &site.switches {
                assert!(svg.contains(&switch.name), "{}", switch.name);
            }
            for vlan in &site.vlans {
                assert!(svg.contains(&format!(">{}</text>", vlan.id)), "{}", vlan.id);
            }
        }
        for link in &plan.spec.links {
            assert!(
                svg.contains(&format!(">{}</text>", link.name)),
                "{}",
                link.name
            );
        }
    }
}

#[test]
fn five_hundred_hosts_are_one_page() {
    let svg = draw(&plan(HYBRID));
    assert!(svg.len() < 200_000, "{} bytes", svg.len());
    let cards = svg.matches(" hosts, LACP").count() + svg.matches(" hosts, active-backup").count();
    assert!(cards <= 40, "{cards} cards");
    let sized = svg
        .split("height=\"")
        .nth(1)
        .and_then(|s| s.split('"').next());
    let height: i32 = sized.and_then(|h| h.parse().ok()).expect("a height");
    assert!(height < 2600, "{height} pixels");
}

#[test]
fn no_name_breaks_the_picture() {
    let mut plan = plan(LAB);
    plan.metadata.name = "a<b>&\"'\u{1}".into();
    plan.spec.sites[0].name = "<script>".into();
    plan.spec.sites[0].vlans[0].name = "]]>&".into();
    plan.spec.links[0].name = "</svg>".into();
    let svg = draw(&plan);
    assert!(well_formed(&svg), "{svg}");
    assert!(!svg.contains("<script>"));
    assert_eq!(svg.matches("</svg>").count(), 1);
}

#[test]
fn the_same_plan_is_the_same_picture() {
    assert_eq!(draw(&plan(HYBRID)), draw(&plan(HYBRID)));
}

#[test]
fn an_empty_plan_is_a_picture_too() {
    let mut plan = plan(LAB);
    plan.spec.sites.clear();
    plan.spec.networks.clear();
    plan.spec.hosts.clear();
    plan.spec.links.clear();
    assert!(well_formed(&draw(&plan)));
}
