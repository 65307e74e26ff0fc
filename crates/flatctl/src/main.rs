//! The binary `flatctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    flatnet_flatctl::main()
}
