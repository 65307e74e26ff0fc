//! `flatctl plan …`: offline, from the document alone, but for what names a cluster.

mod apply;
mod capacity;
mod check;
mod cluster;
mod diff;
mod draw;
mod export;
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
            from_cluster: true,
            cluster,
            ..
        } => cluster::check(&cluster, output),
        PlanCommand::Check {
            plans,
            format,
            deny,
            allow,
            day,
            ..
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
            cluster,
            ..
        } => {
            let Some(new) = new else {
                let plans = cluster::both(&cluster, &Source::read(&old)?, output)?;
                return diff::compared((&plans.0, &plans.1), details, exit_code, output);
            };
            let (old, new) = (Source::read(&old)?, Source::read(&new)?);
            diff::run(&old, &new, details, exit_code, output)
        }
        PlanCommand::Apply {
            plan,
            dry_run,
            force,
            cluster,
        } => {
            let write = flatnet_k8s_client::Write { dry_run, force };
            apply::run(&Source::read(&plan)?, &cluster, write, output)
        }
        PlanCommand::Export { file, cluster } => export::run(&cluster, file.as_deref(), output),
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
