//! `flatctl plan …`: all of it offline, from the document alone.

mod capacity;
mod check;
mod diff;
mod draw;
mod grow;
mod ranges;
mod routes;
mod show;

use crate::CliError;
use crate::args::PlanCommand;
use crate::output::Output;
use crate::source::Source;

pub(super) fn dispatch(command: PlanCommand, output: &mut Output<'_>) -> Result<u8, CliError> {
    match command {
        PlanCommand::Check {
            plans,
            format,
            deny,
            allow,
            day,
        } => {
            let asked = check::Asked {
                format,
                deny: deny.is_some(),
                allow: &allow,
                day,
            };
            check::run(&plans, &asked, output)
        }
        PlanCommand::Show { plan, what } => show::run(&Source::read(&plan)?, &what, output),
        PlanCommand::Ranges {
            plan,
            host,
            network,
            free,
        } => {
            let source = Source::read(&plan)?;
            if free {
                ranges::free(&source, network.as_deref(), output)
            } else {
                ranges::run(&source, host.as_deref(), network.as_deref(), output)
            }
        }
        PlanCommand::Capacity { plan } => capacity::run(&Source::read(&plan)?, output),
        PlanCommand::Diff {
            old,
            new,
            details,
            exit_code,
        } => diff::run(
            &Source::read(&old)?,
            &Source::read(&new)?,
            details,
            exit_code,
            output,
        ),
        PlanCommand::Draw { plan, file } => {
            draw::run(&Source::read(&plan)?, file.as_deref(), output)
        }
        PlanCommand::Grow {
            plan,
            file,
            write,
            dry_run,
            what,
        } => {
            let target = match (file, write) {
                _ if dry_run => grow::Target::Difference,
                (Some(file), _) => grow::Target::File(file),
                (None, true) if plan.as_os_str() != "-" => grow::Target::InPlace,
                _ => grow::Target::Print,
            };
            grow::run(&Source::read(&plan)?, what, &target, output)
        }
        PlanCommand::Routes { plan, table, proof } => {
            routes::run(&Source::read(&plan)?, table.as_deref(), proof, output)
        }
    }
}
