//! The plan with what hosts hold: ranges that ipamd cut, and those that the plan has moved and
//! that are still in use.

use flatnet_client::{Access, Client, Endpoint};
use flatnet_plan::NetworkPlan;
use flatnet_plan::grants::with_grants;
use flatnet_types::ipamd::Grants;

use crate::CliError;
use crate::args::{IPAMD, IpamdArgs};
use crate::daemon::Daemon;
use crate::output::Output;

/// ipamd, by whatever way was named.
pub(super) fn ipamd(args: &IpamdArgs) -> Result<Daemon, CliError> {
    let access = Access {
        token_file: args.token_file.clone(),
        ca: args.ipamd_ca.clone(),
        cert: args.ipamd_cert.clone(),
        key: args.ipamd_key.clone(),
    };
    Ok(Daemon::ipamd(Client::open(args.ipamd.clone(), access)?))
}

/// A plan and what hosts hold of it.
#[derive(Debug)]
pub(super) struct Held {
    /// Each host with the ranges that it holds, as far as that is known.
    pub(super) plan: NetworkPlan,
    /// Why it is not known which ranges ipamd cut; none: it is, or it cuts none.
    pub(super) unheard: Option<String>,
}

/// Joins the plan with what ipamd says. It is asked where the plan lets it cut ranges, where it
/// was named, and where it is on this machine; what it cannot tell is a warning.
///
/// # Errors
/// What was named to reach ipamd with, such as a certificate, cannot be used.
pub(super) fn held(
    plan: NetworkPlan,
    args: &IpamdArgs,
    output: &mut Output<'_>,
) -> Result<Held, CliError> {
    let mut pools = plan.spec.networks.iter().flat_map(|n| &n.pools);
    let cut = pools.any(|p| p.slice_length.is_some());
    let elsewhere = matches!(&args.ipamd, Endpoint::Unix(path)
        if args.ipamd.to_string() == IPAMD && !path.exists());
    if elsewhere && !cut {
        return Ok(Held {
            plan,
            unheard: None,
        });
    }
    let unheard = match ipamd(args)?.get::<Grants>("/v1/grants") {
        Ok(grants) => {
            let (plan, misfits) = with_grants(plan, &grants.ranges);
            for misfit in misfits {
                output.warning(&misfit.to_string());
            }
            let settling = grants.in_grace_period.then(|| {
                "ipamd has just started and has not heard of every host's ranges yet".to_owned()
            });
            return Ok(Held {
                plan,
                unheard: settling,
            });
        }
        Err(e) => CliError::from(e).lines().join(": "),
    };
    output.warning(&format!(
        "ranges that ipamd cut or that moved are not known: {unheard}; name it with --ipamd"
    ));
    Ok(Held {
        plan,
        unheard: cut.then_some(unheard),
    })
}
