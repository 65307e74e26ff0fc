//! The plugin's `main`: passes environment, streams and clock to [`flatnet_cni::run()`].

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use flatnet_cni::{Process, UnixNetd, run};
use flatnet_types::Timestamp;

fn main() -> ExitCode {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let stdin = io::stdin();
    // On a terminal there is no configuration to wait for.
    let mut stdin: Box<dyn Read> = if stdin.is_terminal() {
        Box::new(io::empty())
    } else {
        Box::new(stdin.lock())
    };
    let code = run(Process {
        env: &|name| std::env::var_os(name),
        stdin: &mut stdin,
        stdout: &mut io::stdout().lock(),
        stderr: &mut io::stderr().lock(),
        netd: &UnixNetd::default(),
        now: Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
    });
    ExitCode::from(code)
}
