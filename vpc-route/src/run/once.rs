//! The commands that end: `plan`, `apply`, `adopt`, `rollback`.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use super::{print, print_outcomes};
use crate::cli::{AdoptArgs, RollbackArgs, Show};
use crate::config::Config;
use crate::controller::{Controller, Round};
use crate::diff::{Conflict, ConflictKind};
use crate::model::{Entry, EntryKind, Generation, Owner, Status};
use crate::providers::{Provider, TableScope};
use crate::show::{apply_status, plan_status};
use flatnet_daemon::causes::chain;
use flatnet_leader::{Election, Verdict};

pub(super) async fn plan(config: Config, show: Show) -> Result<u8> {
    let mut controller = Controller::new(config, None)?;
    controller.read_plan().await?;
    controller.refresh_ranges().await;
    let generation = controller.highest_generation(&controller.targets()?).await;
    let outcomes = controller
        .round(&Round {
            leads: None,
            generation,
            allow_mass_delete: show.change.allow_mass_delete,
            limit: None,
        })
        .await?;
    let election = match Election::open(controller.config.participant()).await {
        Ok(election) => Some(election),
        Err(error) => {
            tracing::warn!(error = chain(&error), "who leads is not known");
            None
        }
    };
    print_outcomes(&controller, election.as_ref(), &outcomes, show).await?;
    Ok(plan_status(&outcomes))
}

pub(super) async fn apply(config: Config, show: Show) -> Result<u8> {
    let mut controller = Controller::new(config, None)?;
    controller.read_plan().await?;
    controller.refresh_ranges().await;
    let lead = Lead::take(&controller).await?;
    let status = lead.round(&controller, show).await;
    lead.end().await?;
    status
}

pub(super) async fn adopt(config: Config, args: &AdoptArgs) -> Result<u8> {
    let mut controller = Controller::new(config, None)?;
    controller.read_plan().await?;
    controller.refresh_ranges().await;
    let lead = if args.yes {
        Some(Lead::take(&controller).await?)
    } else {
        None
    };
    let generation = controller.highest_generation(&controller.targets()?).await;
    let round = Round {
        leads: None,
        generation: lead.as_ref().map_or(generation, |l| l.generation),
        allow_mass_delete: false,
        limit: None,
    };
    let work = take_over(&controller, &round, lead.as_ref());
    let adopted = match &lead {
        Some(lead) => tokio::select! {
            adopted = work => adopted?,
            never = lead.renew() => never?,
        },
        None => work.await?,
    };
    let verb = if lead.is_some() {
        "taken over"
    } else {
        "could be taken over (--yes)"
    };
    print(&format!("{adopted} entries {verb}\n"))?;
    if let Some(lead) = lead {
        lead.end().await?;
        return Ok(0);
    }
    Ok(if adopted == 0 { 0 } else { 2 })
}

/// Renames what agrees, as the one that leads, or only shows it; how many there are.
async fn take_over(
    controller: &Controller,
    round: &Round<'_>,
    lead: Option<&Lead>,
) -> Result<usize> {
    let mut adopted = 0;
    for outcome in controller.round(round).await? {
        let observed = outcome.observed.as_ref();
        let scope = observed.map(|observed| observed.target.scope());
        let (plan, _) = outcome.result.with_context(|| outcome.title.clone())?;
        let agrees = |c: &&Conflict| c.kind == ConflictKind::Agrees;
        for conflict in plan.conflicts.iter().filter(agrees) {
            let unmanaged = &conflict.unmanaged;
            let owner = Owner {
                cluster: controller.config.cluster.clone(),
                generation: round.generation,
                label: conflict.label.clone(),
            };
            let name = owner.name();
            let (at, hops) = (unmanaged.destination, &unmanaged.next_hops);
            print(&format!(
                "{}: {at} via {hops}: `{}` → `{name}`\n",
                plan.table, unmanaged.name
            ))?;
            adopted += 1;
            if let (Some(lead), Some(scope)) = (lead, &scope) {
                ensure!(lead.election.leads(), "this process does not lead any more");
                let entry = Entry {
                    destination: at,
                    next_hops: hops.clone(),
                    name: unmanaged.name.clone(),
                    id: unmanaged.id.clone(),
                    status: Status::Available,
                    kind: EntryKind::Custom,
                };
                controller.providers.rename(scope, &entry, &name).await?;
                settle(controller, scope, &entry, &name).await?;
            }
        }
    }
    Ok(adopted)
}

/// Waits until a listing has the new name and nothing is in transition.
async fn settle(
    controller: &Controller,
    table: &TableScope,
    entry: &Entry,
    name: &str,
) -> Result<()> {
    for _ in 0..60 {
        let listed = controller.providers.list(table).await?;
        let renamed = |e: &&Entry| e.destination == entry.destination && e.name == name;
        let settled = listed.entries.iter().find(renamed);
        if settled.is_some_and(|e| e.status == Status::Available) {
            return Ok(());
        }
        tokio::time::sleep(controller.retry.poll).await;
    }
    bail!(
        "{}: {} does not take its new name",
        table.id,
        entry.destination
    )
}

pub(super) async fn rollback(config: Config, args: &RollbackArgs) -> Result<u8> {
    let mut controller = Controller::new(config, None)?;
    controller.read_plan().await?;
    let store = &controller.store;
    if args.list {
        for number in store.numbers()? {
            let record = store.load(Some(number))?;
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(record.at.0);
            let entries: usize = record.tables.iter().map(|t| t.entries.len()).sum();
            let at = humantime::format_rfc3339_seconds(at);
            print(&format!("{number}\t{at}\t{entries} entries\n"))?;
        }
        return Ok(0);
    }
    if args.release {
        store.pin(None)?;
    } else {
        store.pin(Some(&store.load(args.to)?))?;
    }
    controller.refresh_ranges().await;
    let lead = match Lead::take(&controller).await {
        Ok(lead) => lead,
        // The one that leads reads the pin in its next round.
        Err(error) => {
            print(&format!("the leader will carry it out: {error}\n"))?;
            return Ok(0);
        }
    };
    let status = lead.round(&controller, args.show).await;
    lead.end().await?;
    status
}

/// Leadership for one command.
struct Lead {
    election: Election,
    generation: Generation,
}

impl Lead {
    async fn take(controller: &Controller) -> Result<Self> {
        let targets = controller.targets()?;
        let highest = controller.highest_generation(&targets).await;
        let election = Election::open(controller.config.participant()).await?;
        loop {
            match election.try_take(highest.0).await? {
                Verdict::Leads { epoch } => {
                    return Ok(Self {
                        election,
                        generation: Generation(epoch),
                    });
                }
                Verdict::Standby {
                    holder: Some(holder),
                    left,
                    alive: true,
                } => bail!(
                    "{holder} leads for at least {} s more: it makes the changes by itself",
                    left.as_millis().div_ceil(1000)
                ),
                // Whether there is one shows in whether it renews.
                Verdict::Standby { holder, left, .. } => {
                    let holder = holder.as_deref().unwrap_or("somebody");
                    tracing::info!(?left, "looking whether {holder} leads");
                    tokio::time::sleep(left.min(election.every())).await;
                }
            }
        }
    }

    /// One round, renewing the lease meanwhile.
    async fn round(&self, controller: &Controller, show: Show) -> Result<u8> {
        let leads = || self.election.leads();
        let round = Round {
            leads: Some(&leads),
            generation: self.generation,
            allow_mass_delete: show.change.allow_mass_delete,
            limit: None,
        };
        let outcomes = tokio::select! {
            outcomes = controller.round(&round) => outcomes?,
            never = self.renew() => never?,
        };
        print_outcomes(controller, Some(&self.election), &outcomes, show).await?;
        Ok(apply_status(&outcomes))
    }

    async fn renew<T>(&self) -> Result<T> {
        let mut wait = self.election.every();
        loop {
            tokio::time::sleep(wait).await;
            wait = match self.election.try_take(self.generation.0).await {
                Ok(Verdict::Leads { .. }) => self.election.every(),
                Ok(Verdict::Standby { holder, .. }) => {
                    bail!("{} leads now", holder.as_deref().unwrap_or("another"))
                }
                Err(error) if self.election.leads() => {
                    tracing::warn!(error = chain(&error), "the lease is not renewed");
                    self.election.soon()
                }
                Err(error) => return Err(error.into()),
            };
        }
    }

    async fn end(&self) -> Result<()> {
        Ok(self.election.resign().await?)
    }
}
