//! `netd`: the node daemon. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    flatnet_netd::command::main()
}
