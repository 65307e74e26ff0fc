//! The command line, and the environment where an option is not given.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::ValueExt;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
flatnet-run [OPTIONS] [--] START [ARGUMENT...]   start an application and see it through
flatnet-run ready                                exit with 0 if it is ready, else with 1

Options, and the variables that are read without them (`ready` reads the variables alone):
  --stop FILE             FLATNET_STOP          run at SIGTERM, before the application gets it
  --stop-within SECONDS   FLATNET_STOP_WITHIN   how long that may take [20]
  --kill-after SECONDS    FLATNET_KILL_AFTER    from SIGTERM to SIGKILL [8]
  --ready-file FILE       FLATNET_READY_FILE    the application is ready when this file exists
  --ready-port PORT       FLATNET_READY_PORT    the application is ready when this TCP port is open

SIGTERM and SIGINT stop the application; every other signal is passed on to it. Exit codes: the
application's own, 128 + n if signal n ended it, 125 for a fault of flatnet-run, 126 and 127 if START cannot be
executed or is not there.";

/// When the application counts as ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// As soon as it runs.
    Started,
    /// When the file exists. It is removed before the application starts.
    File(PathBuf),
    /// When the TCP port accepts on one of the loopback addresses.
    Port(u16),
}

/// What `flatnet-run` does for one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The program and its arguments; never empty.
    pub(crate) start: Vec<OsString>,
    pub(crate) stop: Option<PathBuf>,
    pub(crate) stop_within: Duration,
    pub(crate) kill_after: Duration,
    pub(crate) readiness: Readiness,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Help,
    Ready(Readiness),
    Run(Settings),
}

#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub(crate) enum Error {
    #[error("{0}")]
    Option(#[from] lexopt::Error),
    #[error("START is missing: name the program to start")]
    NoStart,
    #[error("{name}: {value:?} is no number of seconds from 0 to {MOST_SECONDS}")]
    Seconds { name: String, value: OsString },
    #[error("{name}: {value:?} is no TCP port from 1 to 65535")]
    Port { name: String, value: OsString },
    #[error("a file and a port are given for readiness: choose one")]
    TwoReadinesses,
}

/// A day: what is longer was meant in another unit.
const MOST_SECONDS: u64 = 86_400;

/// A value with the option or variable that it comes from, for errors.
struct Given {
    name: String,
    value: OsString,
}

/// Reads the command line `args` (with the program's name), and by `variable` the environment.
pub(crate) fn read(
    args: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Asked, Error> {
    let mut parser = lexopt::Parser::from_iter(args);
    let mut given: Vec<(&str, Given)> = Vec::new();
    let mut start: Vec<OsString> = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(Asked::Help),
            lexopt::Arg::Long(long) => {
                let Some(option) = OPTIONS.iter().find(|o| o.long == long) else {
                    return Err(arg.unexpected().into());
                };
                let name = format!("--{}", option.long);
                let value = parser.value()?;
                given.push((option.long, Given { name, value }));
            }
            lexopt::Arg::Value(value) => {
                start.push(value);
                start.extend(parser.raw_args()?);
            }
            lexopt::Arg::Short(_) => return Err(arg.unexpected().into()),
        }
    }
    let mut take = |long: &str| {
        let last = given.iter().rposition(|(name, _)| *name == long);
        last.map(|i| given.swap_remove(i).1).or_else(|| {
            let option = OPTIONS.iter().find(|o| o.long == long)?;
            let value = variable(option.variable).filter(|v| !v.is_empty())?;
            let name = option.variable.to_owned();
            Some(Given { name, value })
        })
    };
    let readiness = readiness(take("ready-file"), take("ready-port"))?;
    if start.len() == 1 && start[0] == "ready" {
        return Ok(Asked::Ready(readiness));
    }
    if start.is_empty() {
        return Err(Error::NoStart);
    }
    Ok(Asked::Run(Settings {
        start,
        stop: take("stop").map(|g| PathBuf::from(g.value)),
        stop_within: seconds(take("stop-within"), 20)?,
        kill_after: seconds(take("kill-after"), 8)?,
        readiness,
    }))
}

struct Known {
    long: &'static str,
    variable: &'static str,
}

const OPTIONS: [Known; 5] = [
    Known {
        long: "stop",
        variable: "FLATNET_STOP",
    },
    Known {
        long: "stop-within",
        variable: "FLATNET_STOP_WITHIN",
    },
    Known {
        long: "kill-after",
        variable: "FLATNET_KILL_AFTER",
    },
    Known {
        long: "ready-file",
        variable: "FLATNET_READY_FILE",
    },
    Known {
        long: "ready-port",
        variable: "FLATNET_READY_PORT",
    },
];

fn readiness(file: Option<Given>, port: Option<Given>) -> Result<Readiness, Error> {
    match (file, port) {
        (Some(_), Some(_)) => Err(Error::TwoReadinesses),
        (Some(file), None) => Ok(Readiness::File(file.value.into())),
        (None, Some(Given { name, value })) => {
            let port: Option<u16> = value.parse().ok().filter(|p| *p > 0);
            port.map(Readiness::Port).ok_or(Error::Port { name, value })
        }
        (None, None) => Ok(Readiness::Started),
    }
}

fn seconds(given: Option<Given>, default: u64) -> Result<Duration, Error> {
    let Some(Given { name, value }) = given else {
        return Ok(Duration::from_secs(default));
    };
    let parsed: Option<u64> = value.parse().ok().filter(|s| *s <= MOST_SECONDS);
    let parsed = parsed.ok_or(Error::Seconds { name, value })?;
    Ok(Duration::from_secs(parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(args: &[&str], variables: &[(&str, &str)]) -> Result<Asked, Error> {
        let args = ["flatnet-run"].iter().chain(args).map(OsString::from);
        read(args, |name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn run(args: &[&str], variables: &[(&str, &str)]) -> Settings {
        match asked(args, variables) {
            Ok(Asked::Run(settings)) => settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_follows_start_is_the_applications() {
        let settings = run(&["--kill-after", "3", "start.sh", "--stop", "x"], &[]);
        assert_eq!(settings.start, ["start.sh", "--stop", "x"]);
        assert_eq!(settings.stop, None);
        assert_eq!(settings.kill_after, Duration::from_secs(3));
        let settings = run(&["--", "--odd"], &[]);
        assert_eq!(settings.start, ["--odd"]);
    }

    #[test]
    fn an_option_goes_before_its_variable_and_an_empty_variable_is_none() {
        let variables = [("FLATNET_STOP", "/a"), ("FLATNET_STOP_WITHIN", "")];
        let settings = run(&["--stop", "/b", "start.sh"], &variables);
        assert_eq!(settings.stop, Some("/b".into()));
        assert_eq!(settings.stop_within, Duration::from_secs(20));
        let settings = run(&["start.sh"], &variables);
        assert_eq!(settings.stop, Some("/a".into()));
    }

    #[test]
    fn readiness_is_a_file_or_a_port() {
        let ready = |variables: &[(&str, &str)]| asked(&["ready"], variables);
        assert_eq!(ready(&[]).unwrap(), Asked::Ready(Readiness::Started));
        assert_eq!(
            ready(&[("FLATNET_READY_PORT", "8080")]).unwrap(),
            Asked::Ready(Readiness::Port(8080))
        );
        let both = [("FLATNET_READY_PORT", "1"), ("FLATNET_READY_FILE", "/f")];
        assert!(matches!(ready(&both), Err(Error::TwoReadinesses)));
    }

    #[test]
    fn faults_name_the_option_or_the_variable() {
        let said = |args: &[&str], variables: &[(&str, &str)]| {
            asked(args, variables).unwrap_err().to_string()
        };
        assert_eq!(
            said(&[], &[]),
            "START is missing: name the program to start"
        );
        assert!(said(&["--stop-within", "5m", "x"], &[]).starts_with("--stop-within: \"5m\""));
        assert!(said(&["x"], &[("FLATNET_KILL_AFTER", "90000")]).starts_with("FLATNET_KILL_AFTER"));
        assert!(said(&["x"], &[("FLATNET_READY_PORT", "0")]).contains("no TCP port"));
        assert!(said(&["--quick", "x"], &[]).contains("--quick"));
    }
}
