//! `flatctl plan …`: all of it offline, from the document alone.

mod capacity;
mod ranges;
mod routes;
mod show;

use crate::CliError;
use crate::args::PlanCommand;
use crate::output::Output;
use crate::source::Source;

pub(super) fn dispatch(command: PlanCommand, output: &mut Output<'_>) -> Result<u8, CliError> {
    match command {
        PlanCommand::Show { plan, what } => show::run(&Source::read(&plan)?, &what, output),
        PlanCommand::Ranges {
            plan,
            host,
            network,
        } => ranges::run(
            &Source::read(&plan)?,
            host.as_deref(),
            network.as_deref(),
            output,
        ),
        PlanCommand::Capacity { plan } => capacity::run(&Source::read(&plan)?, output),
        PlanCommand::Routes { plan, table, proof } => {
            routes::run(&Source::read(&plan)?, table.as_deref(), proof, output)
        }
    }
}
