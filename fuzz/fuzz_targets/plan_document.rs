//! What an admin, or a file that is not a plan at all, may hand to netd, ipamd and flatctl.
//!
//! Checked beside "no panic": a diagnosis is a function of the text; every place that it
//! names is in the text; its exit code and its list agree; a plan survives being written;
//! a plan without errors can be derived, routed, counted, drawn and compared, and grows into
//! one without errors; no host range overlaps another.

#![no_main]

use flatnet_plan::model::VlanRole;
use flatnet_plan::{
    NetworkPlan, Report, Style, capacity, diagnose, diff, draw, grow, node, parse, prefix, routes,
    source, to_yaml,
};
use flatnet_types::VlanId;
use libfuzzer_sys::fuzz_target;

/// Groups may stand for very many hosts; what is quadratic in here looks at small plans.
const FEW: usize = 64;

fn places(report: &Report, text: &str) {
    let lines = source::lines(text).count().max(1);
    for d in &report.diagnostics {
        assert!(d.span.line >= 1 && d.span.column >= 1 && d.span.length >= 1);
        assert!(d.span.line as usize <= lines + 1, "{:?}", d);
        assert!(!d.message.is_empty());
    }
}

fn sound(plan: &NetworkPlan) {
    if plan.spec.hosts.len() > FEW {
        return;
    }
    for host in &plan.spec.hosts {
        let _ = node::derive(plan, &host.name);
    }
    let _ = routes::routes(plan);
    let changes = diff::diff(plan, plan);
    assert!(changes.is_err() || changes.is_ok_and(|d| d.is_empty()));
    assert!(draw::draw(plan).ends_with("</svg>\n"));
    let _ = capacity::capacity(plan);
    let ranges: Vec<_> = plan
        .spec
        .hosts
        .iter()
        .flat_map(|h| &h.ranges)
        .map(|r| r.prefix)
        .collect();
    for (i, a) in ranges.iter().enumerate() {
        for b in &ranges[i + 1..] {
            assert!(!prefix::overlap(*a, *b), "{a} {b}");
        }
    }
}

/// A plan without errors grows into one without errors, or is left alone.
fn grows(text: &str, plan: &NetworkPlan) {
    let group = plan.spec.host_groups.first();
    if let Some(Ok(grown)) = group.map(|g| grow::add_hosts(text, &g.name, 1)) {
        assert_eq!(grown.hosts.len(), 1);
        assert_eq!(diagnose(&grown.text, "plan.yaml").errors(), 0);
    }
    let Some(site) = plan.spec.sites.first() else {
        return;
    };
    let vlan = grow::NewVlan {
        site: site.name.clone(),
        id: VlanId::new(3333).expect("an ID"),
        name: "fresh-vlan".to_owned(),
        role: VlanRole::Pod,
        subnets: vec![("10.250.0.0/16".parse().expect("a prefix"), None)],
    };
    if let Ok(grown) = grow::add_vlan(text, &vlan) {
        let mut kept = grown.text.chars();
        assert!(text.chars().all(|c| kept.any(|k| k == c)), "{}", grown.text);
        assert_eq!(diagnose(&grown.text, "plan.yaml").errors(), 0);
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut report = diagnose(text, "plan.yaml");
    places(&report, text);
    let again = diagnose(text, "plan.yaml");
    for style in [
        Style::Text { color: true },
        Style::Text { color: false },
        Style::Json,
        Style::Sarif,
        Style::Github,
    ] {
        assert_eq!(report.render(style), again.render(style));
    }
    match report.exit_code() {
        0 => assert_eq!(report.errors(), 0),
        1 => assert!(report.errors() > 0 && report.is_readable()),
        code => assert!(code == 2 && !report.is_readable() && report.document().is_none()),
    }
    let clean = report.exit_code() == 0;
    let Some(document) = report.take_document() else {
        return;
    };
    let written = to_yaml(&document.written).expect("a plan can be written");
    assert_eq!(parse(&written).expect("and read again"), document.written);
    if clean {
        sound(&document.expanded.plan);
        grows(text, &document.written);
    }
});
