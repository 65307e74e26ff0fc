//! The log: on standard error, its level set by `RUST_LOG` (`info` where absent).

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// The filter without `RUST_LOG`. `kube_client` would log each retry of a failed call; the caller
/// logs the failure once.
const DEFAULT: &str = "info,kube_client=off";

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Installs the global logger. Call it once in a process.
pub fn to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_understood() {
        let filter = EnvFilter::builder().parse(DEFAULT).expect("directives");
        assert!(filter.to_string().contains("kube_client=off"), "{filter}");
    }
}
