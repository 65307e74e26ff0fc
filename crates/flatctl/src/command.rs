//! What each command does.

mod addresses;
mod explain;
mod held;
mod install;
mod ip;
mod link;
mod node;
mod plan;
mod platform;
mod range;
mod routes;
mod shell;
mod trace;

use crate::CliError;
use crate::args::{Command, InstallCommand, IpCommand, LinkCommand, NodeCommand};
use crate::output::Output;
use crate::source::Source;

/// Runs a command and returns the exit code.
///
/// # Errors
/// [`CliError`] where it could not be done.
pub fn dispatch(command: Command, output: &mut Output<'_>) -> Result<u8, CliError> {
    match command {
        Command::Plan(command) => plan::dispatch(command, output),
        Command::Ip(IpCommand::Who {
            address,
            plan,
            netd,
            netd_dir,
            ipamd,
        }) => {
            let at = ip::Where {
                netd,
                netd_dir,
                ipamd,
            };
            ip::run(address, &Source::read(&plan)?, &at, output)
        }
        Command::Range { ipamd, command } => range::run(command, &ipamd, output),
        Command::Routes { tables, command } => routes::run(command, &tables, output),
        Command::Addresses(command) => addresses::run(command, output),
        Command::Trace(args) => trace::run(&args, output),
        Command::Link(LinkCommand::Check { line, plan, tables }) => {
            link::check(line.as_deref(), &Source::read(&plan)?, &tables, output)
        }
        Command::Node(NodeCommand::Status { netd }) => node::status(&netd, output),
        Command::Node(NodeCommand::Reconcile { netd }) => node::reconcile(&netd, output),
        Command::Install(InstallCommand::Preflight(args)) => install::preflight(&args, output),
        Command::Attachments { netd, network } => {
            node::attachments(&netd, network.as_ref(), output)
        }
        Command::Platform(command) => platform::run(command, output),
        Command::Explain { code } => explain::run(code.as_deref(), output),
        Command::Completions { shell } => shell::completions(shell, output),
        Command::Man { dir } => shell::manual(&dir, output),
    }
}
