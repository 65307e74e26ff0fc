//! What cargo does not know: which suites a crate runs in, and who reads a file of another's.

/// Crates, by directory, that not all suites depend on, and the suites that do. What is not here runs
/// in all: netd and what it is made of, the plugin, the lab.
const SUITES: &[(&str, &[&str])] = &[
    // Tests and builds of the others, none of them in the lab.
    ("xtask", &[]),
    ("addresses", &["addresses"]),
    (
        "crates/flatctl",
        &["addresses", "builds", "kubernetes", "platform", "trace"],
    ),
    ("crates/subscriber", &["addresses"]),
    ("crates/trace", &["trace"]),
    ("platform/client", &["builds", "platform"]),
    (
        "platform/controller",
        &["builds", "console", "platform", "release"],
    ),
    (
        "platform/engine",
        &["builds", "console", "platform", "release"],
    ),
    (
        "platform/platformd",
        &["builds", "console", "platform", "release"],
    ),
    ("platform/registry", &["builds"]),
    ("platform/run", &["release"]),
    ("platform/server", &["builds", "console", "platform"]),
    (
        "platform/types",
        &["builds", "console", "platform", "release"],
    ),
    (
        "platform/watch",
        &["builds", "console", "platform", "release"],
    ),
    ("crates/uplink", &["restart", "uplink", "writers"]),
    (
        "vpc-route",
        &[
            "aliyun-sim",
            "bad-input",
            "cloud",
            "demo",
            "kubernetes",
            "plan-live",
            "ranges",
            "trace",
            "truth",
        ],
    ),
];

/// Documents that a package's tests hold against the code.
const READ: &[(&str, &[&str])] = &[
    ("docs/operations.md", &["flatnet-netd"]),
    ("docs/owned.md", &["flatnet-netd"]),
    ("docs/plan.md", &["flatnet-plan"]),
    ("docs/plan-codes.md", &["flatnet-plan"]),
    ("docs/plan-diff-live.md", &["flatnet-lab"]),
    ("docs/plan-diff.md", &["flatnet-lab", "flatnet-plan"]),
    ("docs/api/ipamd.json", &["flatnet-types"]),
    ("docs/api/netd.json", &["flatnet-types"]),
    ("docs/api/platform.json", &["flatnet-platform-server"]),
    ("docs/api/vpc-route.json", &["flatnet-types"]),
];

/// Packages whose tests read the commands in every document.
const COMMANDS: &[&str] = &["flatnet-lab", "xtask"];

/// Files of one crate's tests that another one's are compiled with, by the beginning of their paths.
const BORROWED: &[(&str, &[&str])] = &[
    ("crates/ovs/tests/common/", &["flatnet-netd"]),
    (
        "crates/plan/tests/properties/",
        &[
            "flatnet-ipam",
            "flatnet-k8s-api",
            "flatnet-netd",
            "flatnet-vpc-route",
        ],
    ),
    ("xtask/src/documented.rs", &["flatnet-lab"]),
    // Its tests read the lock files.
    ("platform/console/package", &["xtask"]),
    ("platform/console/tools/package", &["xtask"]),
    // Their routes are held against docs/api.
    ("ipam/src/daemon/http.rs", &["flatnet-types"]),
    ("netd/src/server.rs", &["flatnet-types"]),
    ("vpc-route/src/run/serve.rs", &["flatnet-types"]),
];

/// The suites of a crate; `None`: all.
pub(super) fn suites(dir: &str) -> Option<&'static [&'static str]> {
    let found = SUITES.iter().find(|(of, _)| *of == dir);
    found.map(|(_, suites)| *suites)
}

/// The packages whose tests read a document.
pub(super) fn readers(file: &str) -> impl Iterator<Item = &'static str> {
    let own = READ.iter().filter(move |(of, _)| *of == file);
    let own = own.flat_map(|(_, packages)| *packages);
    own.chain(COMMANDS).copied()
}

/// The packages that are compiled with a file of another's tests.
pub(super) fn borrowers(file: &str) -> impl Iterator<Item = &'static str> {
    let found = BORROWED.iter().filter(move |(of, _)| file.starts_with(of));
    found.flat_map(|(_, packages)| *packages).copied()
}

/// A suite that the tables name.
#[cfg(test)]
pub(super) fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = SUITES.iter();
    rows.flat_map(|(dir, suites)| suites.iter().map(move |suite| (*dir, *suite)))
}
