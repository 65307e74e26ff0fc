//! The simulator as Alibaba's own SDK for Python sees it, with both signatures.
//!
//! The checks are in `sdk/checks.py`; here each of them is a test. They need Python with
//! `venv`, and PyPI once: `cargo xtask test --suite aliyun-sim` runs them, and so does
//! `cargo test -p flatnet-aliyun-sim --test sdk`. Where PyPI is out of reach they are left
//! out, and say so.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use common::Sim;

/// Set where nothing is to be fetched.
const OFFLINE: &str = "FLATNET_OFFLINE";

/// What pip says where it does not get as far as PyPI.
const UNREACHABLE: [&str; 3] = [
    "Temporary failure in name resolution",
    "Network is unreachable",
    "Connection refused",
];

type Results = BTreeMap<String, Option<String>>;

fn check(name: &str) {
    static RESULTS: OnceLock<Option<Result<Results, String>>> = OnceLock::new();
    let results = RESULTS.get_or_init(|| {
        if std::env::var_os(OFFLINE).is_some() {
            return None;
        }
        match venv() {
            Err(why) if UNREACHABLE.iter().any(|text| why.contains(text)) => None,
            other => Some(other.and_then(|python| run(&python))),
        }
    });
    match results {
        None => eprintln!("NOT CHECKED, for {OFFLINE} is set or PyPI is out of reach: {name}"),
        Some(Err(why)) => panic!("the SDK's checks do not run: {why}"),
        Some(Ok(results)) => match results.get(name) {
            Some(None) => {}
            Some(Some(why)) => panic!("{why}"),
            None => panic!("checks.py has no check of this name"),
        },
    }
}

macro_rules! checks {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            check(stringify!($name));
        }
    )* };
}

checks! {
    an_entry_is_created_listed_and_deleted
    a_listing_comes_in_pages_without_loss_or_repetition
    a_batch_fails_in_part_and_says_which_by_destination_and_next_hop
    an_entry_moves_to_another_next_hop
    errors_come_with_their_codes
    a_client_token_makes_a_creation_idempotent
    keys_are_checked
    the_older_signature_works_too
    the_vpc_the_line_and_their_tables_are_described
    a_vbr_holds_48_entries
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk")
}

/// The Python of a virtual environment that has what `requirements.txt` pins. It is kept
/// in the target directory until the pins change.
fn venv() -> Result<PathBuf, String> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aliyun-sdk");
    let python = dir.join("bin/python");
    let mark = dir.join("installed-requirements.txt");
    let pins = sources().join("requirements.txt");
    let wanted = fs::read_to_string(&pins).map_err(|e| e.to_string())?;
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    output(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&dir),
    )?;
    let pip = ["-m", "pip", "install", "--quiet", "--requirement"];
    output(Command::new(&python).args(pip).arg(&pins))?;
    fs::write(&mark, wanted).map_err(|e| e.to_string())?;
    Ok(python)
}

fn run(python: &Path) -> Result<Results, String> {
    let sim = Sim::start();
    let mut command = Command::new(python);
    command
        .arg(sources().join("checks.py"))
        .arg(sim.address.to_string());
    // The SDK would send the simulator's address to a proxy of the environment.
    command.env("NO_PROXY", "*").env("no_proxy", "*");
    let text = output(&mut command)?;
    serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))
}

fn output(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let out = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{shown}: {e}"))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&out.stderr);
    Err(format!("{shown} failed ({}): {}", out.status, error.trim()))
}
