//! The program as a person runs it: arguments in; exit code, result and messages out.

use std::ffi::OsString;

use super::*;

mod check;
mod cluster;
mod daemons;
mod install;
mod plan;
mod routes;
mod trace;

/// A plan of two racks and two zones.
const TWO_SITES: &str = "fixtures/two-sites.yaml";

/// What a run gave.
struct Ran {
    code: u8,
    out: String,
    err: String,
}

/// Runs flatctl without a terminal.
fn flatctl(args: &[&str]) -> Ran {
    flatctl_on(Surroundings::default(), args)
}

fn flatctl_on(around: Surroundings, args: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output = Output::new(&mut out, &mut err);
    let all = std::iter::once("flatctl").chain(args.iter().copied());
    let code = run(all.map(OsString::from), around, &mut output);
    Ran {
        code,
        out: String::from_utf8(out).expect("text"),
        err: String::from_utf8(err).expect("text"),
    }
}

/// The result of a run that succeeds without a word.
fn result(args: &[&str]) -> String {
    let ran = flatctl(args);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (error::exit::OK, ""),
        "{args:?}"
    );
    ran.out
}

/// Exit code and messages of a run that gives no result.
fn refusal(args: &[&str]) -> String {
    let ran = flatctl(args);
    assert_eq!(ran.out, "", "{args:?}");
    format!("exit {}\n{}", ran.code, ran.err)
}

#[test]
fn the_command_line_is_consistent() {
    args::Cli::command().debug_assert();
}

#[test]
fn help_is_a_result_and_a_wrong_call_is_not() {
    assert!(result(&["--help"]).contains("Usage: flatctl"));
    assert!(result(&["--version"]).starts_with("flatctl "));
    let wrong = refusal(&["plan", "shw"]);
    assert!(wrong.starts_with("exit 2\n"), "{wrong}");
    assert!(
        wrong.contains("a similar subcommand exists: 'show'"),
        "{wrong}"
    );
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = result(&["completions", shell]);
        assert!(script.contains("capacity"), "{shell} knows the commands");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("man1");
    let ran = flatctl(&["man", path.to_str().expect("text")]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let page = |name: &str| std::fs::read_to_string(path.join(name)).expect(name);
    assert!(page("flatctl.1").contains("flatctl\\-plan(1)"));
    assert!(page("flatctl-plan-routes.1").contains("\\-\\-proof"));
    let count = std::fs::read_dir(&path).expect("pages").count();
    assert!(
        ran.err.contains(&format!("wrote {count} pages")),
        "{}",
        ran.err
    );
}

#[test]
fn colour_is_for_terminals_and_can_be_forced_or_refused() {
    let coloured =
        |around: Surroundings, args: &[&str]| flatctl_on(around, args).out.contains('\u{1b}');
    let terminal = Surroundings {
        width: Some(80),
        colour_out: true,
        colour_err: true,
        now: Timestamp::default(),
    };
    let show = ["plan", "show", TWO_SITES];
    assert!(coloured(terminal, &show));
    assert!(!coloured(Surroundings::default(), &show));
    assert!(!coloured(
        terminal,
        &["plan", "show", TWO_SITES, "--color", "never"]
    ));
    assert!(coloured(
        Surroundings::default(),
        &["plan", "show", TWO_SITES, "--colour", "always"]
    ));
    assert!(!coloured(
        terminal,
        &["plan", "show", TWO_SITES, "-o", "json"]
    ));
}

#[test]
fn a_table_fits_the_terminal() {
    let narrow = Surroundings {
        width: Some(70),
        ..Surroundings::default()
    };
    let wide = result(&["plan", "show", TWO_SITES, "hosts"]);
    assert!(wide.lines().any(|l| l.chars().count() > 70), "{wide}");
    let fitted = flatctl_on(narrow, &["plan", "show", TWO_SITES, "hosts"]).out;
    assert!(fitted.lines().all(|l| l.chars().count() <= 70), "{fitted}");
}
