//! The command line: its commands.

use clap::{Parser, Subcommand};

use crate::cni_files::CniCommand;
use crate::config::{PlanArgs, RunArgs};
use crate::preflight::PreflightArgs;
use crate::ready::ReadyArgs;
use crate::uplink::UplinkCommand;

/// The node daemon of Flatnet.
#[derive(Debug, Parser)]
#[command(name = "netd", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve this node until SIGTERM. The data path goes on without netd.
    Run(Box<RunArgs>),
    /// Print what this node derives from the plan, and exit.
    Derive(PlanArgs),
    /// Say what this host lacks for netd, and what to do about it. Changes nothing.
    Preflight(PreflightArgs),
    /// Exit with 0 if this node's netd is ready, else say why not: for probes.
    Ready(ReadyArgs),
    /// Install the CNI plugin and its configuration once netd is ready, or take them away.
    #[command(subcommand)]
    Cni(CniCommand),
    /// Move an uplink that bears the host's own address into the bridge, and back.
    #[command(subcommand)]
    Uplink(UplinkCommand),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn what_the_manifests_run_is_on_the_command_line() {
        use serde::Deserialize;
        use serde_json::Value;
        let manifests = [
            include_str!("../../deploy/kubernetes/netd.yaml"),
            include_str!("../../deploy/kubernetes/netd-uninstall.yaml"),
            include_str!("../../deploy/kubernetes/netd-configmap.yaml"),
        ];
        let mut parsed = 0;
        let mut check = |words: &Value| {
            let words = words.as_array().into_iter().flatten();
            let words: Vec<String> = words
                .filter_map(Value::as_str)
                .map(|word| {
                    word.replace("$(NODE_NAME)", "host1")
                        .replace("$(DATAPATH)", "system")
                })
                .collect();
            let line = std::iter::once("netd").chain(
                words
                    .iter()
                    .map(String::as_str)
                    .skip_while(|word| *word == "netd"),
            );
            if let Err(e) = Cli::try_parse_from(line) {
                panic!("{words:?}: {e}");
            }
            parsed += 1;
        };
        for document in manifests
            .iter()
            .flat_map(|text| serde_norway::Deserializer::from_str(text))
        {
            let object = Value::deserialize(document).expect("YAML");
            let pod = &object["spec"]["template"]["spec"];
            for kind in ["initContainers", "containers"] {
                for container in pod[kind].as_array().into_iter().flatten() {
                    check(&container["args"]);
                    for probe in ["readinessProbe", "livenessProbe"] {
                        if container.get(probe).is_some() {
                            check(&container[probe]["exec"]["command"]);
                        }
                    }
                }
            }
        }
        assert_eq!(parsed, 10);
    }
}
