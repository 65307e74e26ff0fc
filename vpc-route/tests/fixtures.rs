//! Every directory of `tests/fixtures` is a case: `desired.yml` and `actual.yml` give
//! `plan.yml`. With `FLATNET_BLESS=1` the plans are written instead of compared.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use flatnet_vpc_route::diff::{Plan, Rules, Sightings, diff};
use flatnet_vpc_route::model::{DesiredTable, Table, Timestamp};
use serde::Deserialize;

/// A case's `desired.yml`: the table, the rules, and the time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    now: Timestamp,
    #[serde(default)]
    seen: Sightings,
    rules: Rules,
    desired: DesiredTable,
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut cases: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap();
    serde_norway::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn each_directory_gives_its_plan() {
    let bless = std::env::var_os("FLATNET_BLESS").is_some();
    let cases = cases();
    assert!(cases.len() >= 6, "only {} cases", cases.len());
    for case in cases {
        let wanted: Wanted = read(&case.join("desired.yml"));
        let actual: Table = read(&case.join("actual.yml"));
        let plan = diff(
            &wanted.desired,
            &actual,
            &wanted.rules,
            &wanted.seen,
            wanted.now,
        );
        let file = case.join("plan.yml");
        if bless {
            fs::write(&file, serde_norway::to_string(&plan).unwrap()).unwrap();
        } else {
            assert_eq!(plan, read::<Plan>(&file), "{}", case.display());
        }
    }
}
