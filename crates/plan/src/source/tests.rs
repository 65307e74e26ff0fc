use super::de::ReadError;
use super::*;
use crate::model::NetworkPlan;

const LAB: &str = include_str!("../../../../examples/lab.yaml");

fn at(text: &str, path: &Path) -> (u32, u32, u32) {
    let span = locate(text, &[path]).expect("yaml")[0];
    (span.line, span.column, span.length)
}

#[test]
fn the_text_gives_the_model_that_serde_gives() {
    let ours: NetworkPlan = de::from_text(LAB).expect("a plan");
    let theirs: NetworkPlan = serde_norway::from_str(LAB).expect("a plan");
    assert_eq!(ours, theirs);
}

#[test]
fn a_path_leads_to_its_line_and_column() {
    let text = "spec:\n  mtu: 1500\n  hosts:\n    - name: a\n      ranges: [{prefix: 10.0.0.0/8}]\n    - b\n";
    assert_eq!(at(text, &Path::spec().at("mtu")), (2, 8, 4));
    assert_eq!(at(text, &Path::spec().at("hosts")), (3, 3, 5));
    assert_eq!(at(text, &Path::spec().at("hosts").at(0)), (4, 13, 1));
    let range = Path::spec()
        .at("hosts")
        .at(0)
        .at("ranges")
        .at(0)
        .at("prefix");
    assert_eq!(at(text, &range), (5, 25, 10));
    assert_eq!(at(text, &range.clone().at("length")), (5, 25, 10));
    assert_eq!(at(text, &Path::spec().at("hosts").at(7)), (3, 3, 5));
    assert_eq!(range.to_string(), "spec.hosts[0].ranges[0].prefix");
}

#[test]
fn what_is_no_document_is_said_with_its_place() {
    let of = |text: &str| read(text).expect_err(text);
    assert_eq!(of("# nothing\n"), SyntaxError::Empty);
    assert!(matches!(of("a: [1, 2"), SyntaxError::Yaml { .. }));
    assert!(matches!(
        of("a: 1\n---\nb: 2\n"),
        SyntaxError::SecondDocument { .. }
    ));
    assert!(matches!(of("? [a]\n: 1\n"), SyntaxError::ComplexKey { .. }));
    let twice = of("a: 1\nb: 2\na: 3\n");
    assert!(
        matches!(&twice, SyntaxError::DuplicateKey { first: 1, .. }),
        "{twice:?}"
    );
    assert_eq!(twice.span().line, 3);
}

#[test]
fn aliases_are_written_out_up_to_a_limit() {
    let tree = read("a: &x [1, 2]\nb: *x\n").expect("yaml");
    assert_eq!(tree.get("b").expect("b").items().len(), 2);
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..12 {
        let of = format!("*a{},", i - 1).repeat(10);
        bomb.push_str(&format!("a{i}: &a{i} [{of}]\n"));
    }
    assert!(matches!(read(&bomb), Err(SyntaxError::TooLarge { .. })));
    assert!(read(&"[".repeat(100_000)).is_err());
    assert!(read(&"- ".repeat(10_000)).is_err());
}

#[test]
fn a_misfit_knows_its_place() {
    let of = |from: &str, to: &str| {
        let text = LAB.replacen(from, to, 1);
        let error = match de::from_text::<NetworkPlan>(&text) {
            Err(ReadError::Shape(error)) => error,
            other => panic!("{to}: {other:?}"),
        };
        let span = error.span.expect("a place");
        let line = text.lines().nth(span.line as usize - 1).expect("line");
        let start = span.column as usize - 1;
        (
            line[start..start + span.length as usize].to_owned(),
            error.message,
        )
    };
    let (at, message) = of("mtu: 1500", "mut: 1500");
    assert_eq!(at, "mut");
    assert!(message.contains("there is no field `mut`"), "{message}");
    let (at, message) = of("mtu: 1500", "mtu: large");
    assert_eq!(at, "large");
    assert!(
        message.contains("an MTU from 68 to 65535 bytes is wanted here"),
        "{message}"
    );
    let (at, message) = of("10.100.16.0/20", "10.100.16.0/40");
    assert_eq!(at, "10.100.16.0/40");
    assert!(!message.is_empty());
    let (_, message) = of("      type: IDC\n", "");
    assert!(message.contains("`type` is missing here"), "{message}");
}

#[test]
fn a_lone_carriage_return_ends_a_line_as_yaml_has_it() {
    let of = |text: &'static str| lines(text).collect::<Vec<_>>();
    assert_eq!(of("a\r\nb\rc\n\nd"), ["a", "b", "c", "", "d"]);
    assert_eq!(of("a\n"), ["a"]);
    assert_eq!(of("\r\r"), ["", ""]);
    assert!(of("").is_empty());
    let text = "apiVersion: flatnet.io/v1alpha1\rkind: NetworkPlan\r\r\rmetadate: {name: x}\r";
    let report = crate::diagnose(text, "plan.yaml");
    let shown = report.render(crate::Style::Text { color: false });
    assert!(shown.contains("5 | metadate: {name: x}"), "{shown}");
}

#[test]
fn many_paths_are_found_in_one_reading_whatever_their_order() {
    let text = "spec:\n  hosts:\n    - ranges: [1]\n      name: a\n    - {name: b}\n    - &c {name: c}\n  links: [*c, {idc: x}]\n";
    let item = |of, i: usize| Path::spec().at(of).at(i);
    let paths = [
        item("links", 1).at("name"),
        item("hosts", 0),
        item("links", 0),
        item("hosts", 0).at("ranges").at(0),
        item("hosts", 1).at("ranges").at(0),
        Path::default(),
        item("hosts", 0),
        item("hosts", 3),
    ];
    let paths: Vec<&Path> = paths.iter().collect();
    let found = locate(text, &paths).expect("yaml");
    let found: Vec<_> = found.iter().map(|s| (s.line, s.column)).collect();
    let (first, second, third) = ((4, 13), (5, 14), (6, 17));
    let hosts = (2, 3);
    assert_eq!(
        found,
        [(7, 15), first, third, (3, 16), second, (1, 1), first, hosts]
    );
    assert!(locate("a: [", &paths).is_err());
}

#[test]
fn an_alias_stands_for_its_node_wherever_one_may_stand() {
    use std::collections::BTreeMap;
    type Lists = BTreeMap<String, Vec<u8>>;
    let of = |text: &'static str| de::from_text::<Lists>(text);
    let lists = of("&k a: &l [1, &n 2]\nb: *l\nc: [*n, 3]\n").expect("lists");
    assert_eq!(lists["a"], [1, 2]);
    assert_eq!(lists["b"], [1, 2]);
    assert_eq!(lists["c"], [2, 3]);
    let twice = of("&k a: [1]\n*k : [2]\n");
    assert!(
        matches!(
            &twice,
            Err(ReadError::Syntax(SyntaxError::DuplicateKey { key, .. })) if key == "a"
        ),
        "{twice:?}"
    );
    let inside = of("a: &l [1, *l]\n");
    assert!(
        matches!(inside, Err(ReadError::Syntax(SyntaxError::BadAlias { .. }))),
        "{inside:?}"
    );
    let list = read("a: &l [1]\n? *l\n: [2]\n");
    assert!(
        matches!(list, Err(SyntaxError::ComplexKey { .. })),
        "{list:?}"
    );
}

#[test]
fn what_nobody_asks_for_is_gone_past_and_still_judged() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Few {
        a: (u8, u8),
        b: u8,
    }
    let of = |text: &'static str| de::from_text::<Few>(text);
    let few = of("x: {y: [1, {z: 2}]}\na: [1, 2, [3], {w: 4}]\nb: 5\nv: 6\n");
    assert_eq!(few, Ok(Few { a: (1, 2), b: 5 }));
    let twice = of("x: {y: 1, y: 2}\na: [1, 2]\nb: 5\n");
    assert!(
        matches!(
            twice,
            Err(ReadError::Syntax(SyntaxError::DuplicateKey { .. }))
        ),
        "{twice:?}"
    );
    let second = of("a: [1, 2]\nb: 5\n---\nb: 6\n");
    assert!(
        matches!(
            second,
            Err(ReadError::Syntax(SyntaxError::SecondDocument { .. }))
        ),
        "{second:?}"
    );
}

#[test]
fn a_text_that_is_no_yaml_is_told_as_that_whatever_does_not_fit_before() {
    let text = LAB.replacen("mtu: 1500", "mtu: large", 1);
    let code = |text: &str| {
        let report = crate::diagnose(text, "plan.yaml");
        let codes: Vec<_> = report.diagnostics.iter().map(|d| d.rule.code).collect();
        codes.join(" ")
    };
    assert_eq!(code(&text), crate::finding::SHAPE.code);
    let broken = format!("{text}  broken: [\n");
    assert_eq!(code(&broken), crate::finding::SYNTAX.code);
    let of_another = text.replacen("kind: NetworkPlan", "kind: Other", 1);
    assert_eq!(code(&of_another), crate::finding::HEADER.code);
}
