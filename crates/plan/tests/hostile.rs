//! Documents that somebody broke: whatever they are, they are diagnosed. The fuzz target
//! `plan_document` looks further; this runs with every test.

use flatnet_plan::grow::{NewVlan, add_hosts, add_vlan};
use flatnet_plan::model::VlanRole;
use flatnet_plan::source::lines;
use flatnet_plan::{Style, diagnose, load, parse, to_yaml};
use flatnet_types::VlanId;
use proptest::prelude::*;

const SEEDS: [&str; 4] = [
    include_str!("../../../examples/small.yaml"),
    include_str!("../../../examples/lab.yaml"),
    include_str!("fixtures/FN0602/bad.yaml"),
    include_str!("fixtures/FN0609/good.yaml"),
];

/// A plan with a group, comments and lists of both kinds.
const GROWING: &str = include_str!("../../flatctl/fixtures/two-sites.yaml");

/// Words that mean something at the edge of their type.
const WORDS: [&str; 25] = [
    "\r\r\r",
    "0",
    "-1",
    "4294967295",
    "18446744073709551616",
    "0.0.0.0/0",
    "::/0",
    "255.255.255.255/32",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
    "::",
    "255.255.255.255",
    "~",
    "''",
    "[]",
    "{}",
    "&a",
    "*a",
    "!!str",
    "|",
    "{n}",
    "{n:0999}",
    "\t",
    "\u{fffd}",
    "---",
    "\u{1b}[2J",
];

/// A place in the text, as a part of 65536, and what is done there.
#[derive(Debug, Clone)]
enum Edit {
    /// So many characters go.
    Cut(u16, u8),
    /// The word at the place becomes another.
    Word(u16, usize),
    /// The line at the place is given twice.
    Twice(u16),
    /// The line at the place goes further in or out.
    Indent(u16, u8),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (any::<u16>(), any::<u8>()).prop_map(|(at, n)| Edit::Cut(at, n)),
        (any::<u16>(), 0..WORDS.len()).prop_map(|(at, w)| Edit::Word(at, w)),
        any::<u16>().prop_map(Edit::Twice),
        (any::<u16>(), 0_u8..6).prop_map(|(at, n)| Edit::Indent(at, n)),
    ];
    prop::collection::vec(edit, 1..4)
}

fn scaled(at: u16, of: usize) -> usize {
    usize::from(at) * of / 65536
}

fn apply(text: &str, edit: &Edit) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let by_line = |at: u16, change: &dyn Fn(&str) -> String| {
        let target = scaled(at, lines.len());
        let changed: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(i, l)| {
                if i == target {
                    change(l)
                } else {
                    (*l).to_owned()
                }
            })
            .collect();
        changed.join("\n")
    };
    match edit {
        Edit::Cut(at, n) => {
            let chars: Vec<char> = text.chars().collect();
            let from = scaled(*at, chars.len());
            let to = (from + usize::from(*n)).min(chars.len());
            chars[..from].iter().chain(&chars[to..]).collect()
        }
        Edit::Word(at, w) => by_line(*at, &|line| {
            let (key, value) = line.rsplit_once([' ', '[']).unwrap_or(("", line));
            let end: String = value.chars().filter(|c| matches!(c, '}' | ']')).collect();
            format!("{key} {}{end}", WORDS[*w])
        }),
        Edit::Twice(at) => by_line(*at, &|line| format!("{line}\n{line}")),
        Edit::Indent(at, n) => by_line(*at, &|line| {
            format!("{}{}", " ".repeat(usize::from(*n)), line.trim_start())
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_broken_document_is_diagnosed(seed in 0..SEEDS.len(), edits in edits()) {
        let text = edits.iter().fold(SEEDS[seed].to_owned(), |t, e| apply(&t, e));
        let mut report = diagnose(&text, "plan.yaml");
        let lines = u32::try_from(lines(&text).count()).expect("few lines");
        for d in &report.diagnostics {
            prop_assert!(d.span.line >= 1 && d.span.line <= lines.max(1) + 1, "{:?}", d.span);
            prop_assert!(d.span.column >= 1 && d.span.length >= 1, "{:?}", d.span);
        }
        let shown = report.render(Style::Text { color: false });
        prop_assert!(!shown.contains('\u{1b}'), "a plan moves the cursor: {shown:?}");
        match report.exit_code() {
            0 => prop_assert_eq!(report.errors(), 0),
            1 => prop_assert!(report.errors() > 0 && report.is_readable()),
            _ => prop_assert!(report.document().is_none() && report.errors() > 0),
        }
        if let Some(document) = report.take_document() {
            let again = parse(&to_yaml(&document.written).expect("yaml")).expect("parses");
            prop_assert_eq!(again, document.written);
        }
    }
}

proptest! {
    // Each case reads a plan about ten times.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    })]

    #[test]
    fn a_document_that_somebody_mangled_grows_whole_or_not_at_all(edits in edits(), windows: bool) {
        let mut text = GROWING.to_owned();
        // Mangled, but not too much: a plan that does not work does not grow.
        for edit in &edits {
            let next = apply(&text, edit);
            if load(&next).is_ok() {
                text = next;
            }
        }
        if windows {
            text = text.replace('\n', "\r\n");
        }
        let vlan = NewVlan {
            site: "idc".into(),
            id: VlanId::new(3000).expect("an ID"),
            name: "fresh".into(),
            role: VlanRole::Pod,
            subnets: vec![("10.66.0.0/16".parse().expect("a prefix"), None)],
        };
        for grown in [add_vlan(&text, &vlan), add_hosts(&text, "compute", 2)] {
            let Ok(grown) = grown else { continue };
            let hosts = |text: &str| load(text).expect("a plan without errors").spec.hosts;
            let (old, new) = (hosts(&text), hosts(&grown.text));
            prop_assert!(old.iter().all(|h| new.contains(h)), "{}", grown.text);
            prop_assert_eq!(new.len(), old.len() + grown.hosts.len());
            let before: Vec<&str> = text.split_inclusive('\n').collect();
            let after: Vec<&str> = grown.text.split_inclusive('\n').collect();
            let lost = before.iter().filter(|l| !after.contains(l)).count();
            prop_assert!(lost <= 2, "{lost} lines are not as they were:\n{}", grown.text);
        }
    }
}
