//! The namespaces of the host and of its router, and commands in them.

use anyhow::Result;

use crate::run;

pub(in crate::suites) const HOST: &str = "fn-uplink";
pub(in crate::suites) const ROUTER: &str = "fn-uplink-gw";

/// Runs `ip` with these words in a namespace.
pub(in crate::suites) fn ip(namespace: &str, line: &str) -> Result<String> {
    let mut command = run::command("ip");
    command
        .args(["-n", namespace])
        .args(line.split_whitespace());
    Ok(run::output(&mut command)?)
}

/// Runs a command in a namespace.
pub(in crate::suites) fn inside(namespace: &str, line: &str) -> Result<String> {
    let mut command = run::command("ip");
    command
        .args(["netns", "exec", namespace])
        .args(line.split_whitespace());
    Ok(run::output(&mut command)?)
}
