//! `netd-faults`: the same daemon, which also fails where a suite tells it to. Never packaged.

use std::process::ExitCode;

fn main() -> ExitCode {
    flatnet_netd::command::main()
}
