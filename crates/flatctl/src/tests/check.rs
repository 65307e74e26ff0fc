use super::plan::{changed, path};
use super::*;

/// A plan with one warning: its line has a smaller MTU than its networks.
fn warned(allow: &str) -> tempfile::NamedTempFile {
    let text = std::fs::read_to_string(TWO_SITES).expect("the fixture");
    let line = "routerInterface: ri-vbr-1";
    assert!(text.contains(line) && text.contains("\nspec:\n"), "{text}");
    let text = text.replacen("    vbr:", "    mtu: 1400\n      vbr:", 1);
    let text = text.replacen("\nspec:\n", &format!("\nspec:\n{allow}"), 1);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("writing");
    file
}

fn check(file: &tempfile::NamedTempFile, more: &[&str]) -> Ran {
    let mut args = vec!["plan", "check", path(file)];
    args.extend(more);
    flatctl(&args)
}

#[test]
fn warnings_are_denied_or_allowed_by_the_call() {
    let plan = warned("");
    assert_eq!(check(&plan, &[]).code, error::exit::OK);
    let denied = check(&plan, &["--deny", "warnings"]);
    assert_eq!(denied.code, error::exit::FOUND);
    assert!(denied.out.contains("warning[FN0405]"), "{}", denied.out);
    let allowed = check(&plan, &["--deny", "warnings", "--allow", "fn0405"]);
    assert_eq!((allowed.code, allowed.out.as_str()), (error::exit::OK, ""));
    assert!(allowed.err.contains(", 1 allowed"), "{}", allowed.err);
}

#[test]
fn errors_and_unknown_codes_are_not_allowed() {
    let plan = warned("");
    let error = check(&plan, &["--allow", "FN0101"]);
    assert_eq!(error.code, error::exit::UNREADABLE);
    assert!(error.err.contains("FN0101 is an error"), "{}", error.err);
    let unknown = check(&plan, &["--allow", "FN9999"]);
    assert!(
        unknown.err.contains("no diagnostic has the code FN9999"),
        "{}",
        unknown.err
    );
}

#[test]
fn the_plan_says_what_is_allowed_where_why_and_until_when() {
    let allow = |at: &str| {
        format!(
            "  allow: [{{code: FN0405{at}, reason: \"the carrier raises it\", until: 2026-06-30}}]\n"
        )
    };
    let everywhere = warned(&allow(""));
    let june = check(&everywhere, &["--deny", "warnings", "--day", "2026-06-30"]);
    assert_eq!((june.code, june.out.as_str()), (error::exit::OK, ""));
    let july = check(&everywhere, &["--deny", "warnings", "--day", "2026-07-01"]);
    assert_eq!(july.code, error::exit::FOUND);
    for wanted in ["FN0405", "FN0012", "the carrier raises it"] {
        assert!(july.out.contains(wanted), "{wanted}: {}", july.out);
    }
    let june = ["--day", "2026-06-01", "--format", "json"];
    let found = check(&warned(""), &june).out;
    let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
    let at = found[0]["at"].as_str().expect("a place").to_owned();
    let (link, _) = at.rsplit_once('.').expect("the line's MTU");
    let there = warned(&allow(&format!(", at: {link}")));
    assert_eq!(check(&there, &june).out, "[]\n");
    let elsewhere = check(&warned(&allow(", at: links.other")), &june).out;
    assert!(
        elsewhere.contains("FN0405") && elsewhere.contains("FN0011"),
        "{elsewhere}"
    );
}

#[test]
fn plans_that_can_be_read_are_judged_beside_those_that_are_missing() {
    let broken = changed("from: 172.30.64.0", "from: 172.30.0.0");
    let all = [
        "plan",
        "check",
        "/nowhere/a.yaml",
        path(&broken),
        "/nowhere/b.yaml",
    ];
    let ran = flatctl(&all);
    assert_eq!(ran.code, error::exit::UNREADABLE);
    assert!(ran.out.contains("FN0101"), "{}", ran.out);
    for missing in ["a", "b"] {
        let wanted = format!("cannot read /nowhere/{missing}.yaml");
        assert!(ran.err.contains(&wanted), "{}", ran.err);
    }
    // A log of them says that it is not the whole.
    for (plans, complete) in [(&all[2..], false), (&all[3..4], true)] {
        let args = [&["plan", "check", "--format", "sarif"], plans].concat();
        let log: serde_json::Value = serde_json::from_str(&flatctl(&args).out).expect("JSON");
        let run = &log["runs"][0];
        assert_eq!(run["invocations"][0]["executionSuccessful"], complete);
        assert_eq!(run["results"][0]["ruleId"], "FN0101");
    }
}

#[test]
fn what_is_no_text_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let of = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).expect("writing");
        let file = file.to_str().expect("text").to_owned();
        let said = refusal(&["plan", "check", &file]);
        said.replace(dir.path().to_str().expect("text"), "dir")
    };
    let empty = refusal(&["plan", "check", dir.path().to_str().expect("text")]);
    assert!(
        empty.contains("is a directory, and a plan is a file"),
        "{empty}"
    );
    assert!(empty.contains("none that ends in .yaml"), "{empty}");
    let plan = std::fs::read_to_string(TWO_SITES).expect("the fixture");
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(plan.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        of("utf16.yaml", &utf16),
        "exit 2\nerror: dir/utf16.yaml is a text in UTF-16, and UTF-8 is wanted\n\
         next: save it as UTF-8: `iconv -f UTF-16 -t UTF-8 dir/utf16.yaml`\n"
    );
    let binary = of("packed", b"\x1f\x8b\x08\x00\x00\x00\xff");
    assert!(
        binary.contains("is a binary file, and a text is wanted"),
        "{binary}"
    );
    let latin = of("latin.yaml", b"a: b\nname: M\xfcnchen\n");
    assert!(
        latin.contains("no text in UTF-8\n       it is not UTF-8: byte 13 in line 2"),
        "{latin}"
    );
    assert!(latin.contains("iconv -f ISO-8859-1"), "{latin}");
    // A mark of UTF-8 is none of the text.
    let marked = dir.path().join("marked.yaml");
    std::fs::write(&marked, format!("\u{feff}{plan}")).expect("writing");
    let ran = flatctl(&["plan", "check", marked.to_str().expect("text")]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (error::exit::OK, ""),
        "{}",
        ran.err
    );
    let named = refusal(&["plan", "check", dir.path().to_str().expect("text")]);
    assert!(named.contains("/latin.yaml, "), "{named}");
}

#[test]
fn nothing_is_wider_than_a_terminal() {
    let narrow = |text: &str| {
        for line in text
            .lines()
            .filter(|line| !line.contains("--> ") && !line.contains("::: "))
        {
            assert!(line.chars().count() <= 80, "{line:?} in\n{text}");
        }
    };
    let broken = changed("role: storage", "rule: storage");
    narrow(&check(&broken, &[]).out);
    let broken = changed("from: 172.30.64.0", "from: 172.30.0.0");
    narrow(&check(&broken, &[]).out);
    narrow(&check(&warned(""), &[]).out);
    for rule in flatnet_plan::finding::RULES {
        narrow(&result(&["explain", rule.code]));
    }
    narrow(&result(&["plan", "capacity", TWO_SITES]));
    // Names of any length are cut on a terminal.
    let long = std::fs::read_to_string(TWO_SITES).expect("the fixture");
    let names = [
        ": idc",
        "core1",
        "name: storage",
        "name: main",
        "name: line1",
    ];
    let long = names.iter().fold(long, |text, name| {
        text.replace(name, &format!("{name}-of-a-data-centre-far-away"))
    });
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), long).expect("writing");
    let terminal = Surroundings {
        width: Some(80),
        ..Surroundings::default()
    };
    let fitted = flatctl_on(terminal, &["plan", "capacity", path(&file)]).out;
    assert!(fitted.contains('…'), "{fitted}");
    narrow(&fitted);
}
