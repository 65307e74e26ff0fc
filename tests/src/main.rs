//! `flatnet-lab`: the lab's command line.

use std::process::ExitCode;

use clap::Parser;
use flatnet_lab::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(e) => {
            let text = whole(&e);
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("flatnet-lab: {text}\n"),
            );
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes; the lab's own errors name theirs already.
fn whole(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
