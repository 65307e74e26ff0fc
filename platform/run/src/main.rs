//! `flatnet-run`: PID 1 of an application's container.
//!
//! It starts the application, forwards signals to it, runs its stop script before it is terminated,
//! reaps the processes that it leaves, and ends with its exit code. `flatnet-run ready` is the
//! container's readiness probe.

mod children;
mod lifecycle;
mod ready;
mod settings;
mod supervise;

use std::io::Write;
use std::process::ExitCode;

use settings::Asked;

/// The exit code of a fault of flatnet-run itself, as `docker run` and `timeout` have it.
const OWN_FAULT: u8 = 125;

fn main() -> ExitCode {
    let asked = settings::read(std::env::args_os(), |name| std::env::var_os(name));
    match asked {
        Ok(Asked::Help) => {
            let text = format!("{}\n", settings::USAGE);
            // A reader that went away is no fault.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Asked::Ready(ready)) => match ready::look(&ready) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("flatnet-run: not ready: {why}");
                ExitCode::FAILURE
            }
        },
        Ok(Asked::Run(settings)) => match supervise::run(&settings) {
            Ok(code) => ExitCode::from(code),
            Err(e) => {
                eprintln!("flatnet-run: {e}");
                ExitCode::from(e.exit_code())
            }
        },
        Err(e) => {
            eprintln!("flatnet-run: {e}\n\n{}", settings::USAGE);
            ExitCode::from(OWN_FAULT)
        }
    }
}
