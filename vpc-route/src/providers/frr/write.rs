//! Writing: the steps of [`change`](super::change), each sent and awaited.

use std::time::Duration;

use super::change::{Change, adopt, change};
use super::error::{Daemon, FrrError};
use super::rib::Rib;
use super::vty::Vty;
use super::{FrrRouter, running};
use crate::diff::Op;
use crate::model::Prefix;
use crate::providers::Failure;

/// How long a route may take from staticd into the kernel: milliseconds, if its next hop can be
/// reached at all.
const IN_FORCE: Duration = Duration::from_secs(2);
/// The time between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Destinations, each with the next hops that it should lead to.
type Awaited = Vec<(Prefix, Vec<String>)>;

impl FrrRouter {
    /// Carries out ops that do not overlap.
    ///
    /// # Errors
    /// FRR cannot be spoken to; some ops may have been done.
    pub(super) async fn change(&self, ops: &[Op]) -> Result<Vec<Failure>, FrrError> {
        let mut zebra = self.connect(Daemon::Zebra).await?;
        let mut staticd = self.connect(Daemon::Staticd).await?;
        let routes = running::parse(&staticd.run("show running-config").await?)?;
        let before = self.rib(&mut zebra).await?;
        let mut failures = Vec::new();
        let mut going: Vec<(&Op, Change)> = Vec::new();
        for op in ops {
            match change(op, &routes, self.tag()) {
                Ok(found) => going.push((op, found)),
                Err(taken) => failures.push(failure(op, "Foreign", taken.to_string(), false)),
            }
        }
        staticd.run("configure terminal").await?;
        let mut session = Session {
            staticd,
            failures,
            lines: 0,
        };
        let going = session
            .each(going, |c| &c.first, Some(|c: &Change| &c.undo))
            .await?;
        let awaited = going.iter().flat_map(|(_, c)| c.awaited.iter().cloned());
        let rib = self.wait(&mut zebra, &awaited.collect::<Awaited>()).await?;
        let mut safe = Vec::new();
        for (op, change) in going {
            let needed = !change.second.is_empty() && before.has(op.destination());
            if !needed || change.awaited.iter().all(|(at, to)| leads(&rib, *at, to)) {
                safe.push((op, change));
                continue;
            }
            // What leads somewhere is not taken away for what leads nowhere.
            for line in &change.undo {
                session.run(line).await?;
            }
            session.not_in_force(op, "the old next hop stays");
        }
        safe = session.each(safe, |c| &c.second, None).await?;
        safe.retain(|(_, c)| !c.third.is_empty());
        let settled = safe.iter().flat_map(|(_, c)| c.settled.iter().cloned());
        let rib = self.wait(&mut zebra, &settled.collect::<Awaited>()).await?;
        safe.retain(|(op, c)| {
            let settled = c.settled.iter().all(|(at, to)| leads(&rib, *at, to));
            if !settled {
                session.not_in_force(op, "its two more specific routes stay and lead there");
            }
            settled
        });
        session.each(safe, |c| &c.third, None).await?;
        let Session {
            mut staticd,
            failures,
            lines,
        } = session;
        staticd.run("end").await?;
        if lines > 0 {
            self.save(&mut staticd).await;
        }
        Ok(failures)
    }

    /// Gives every next hop of a destination our tag; where it leads is not touched.
    ///
    /// # Errors
    /// FRR cannot be spoken to, or refuses.
    pub(super) async fn take_over(&self, destination: Prefix) -> Result<(), FrrError> {
        let mut staticd = self.connect(Daemon::Staticd).await?;
        let routes = running::parse(&staticd.run("show running-config").await?)?;
        staticd.run("configure terminal").await?;
        for line in adopt(destination, &routes, self.tag()) {
            staticd.run(&line).await?;
        }
        staticd.run("end").await?;
        self.save(&mut staticd).await;
        Ok(())
    }

    /// Waits, for a while, until all next hops are in force.
    async fn wait(
        &self,
        zebra: &mut Vty,
        awaited: &[(Prefix, Vec<String>)],
    ) -> Result<Rib, FrrError> {
        let deadline = tokio::time::Instant::now() + IN_FORCE;
        loop {
            let rib = self.rib(zebra).await?;
            let all = awaited
                .iter()
                .all(|(destination, hops)| hops.iter().all(|hop| rib.carries(*destination, hop)));
            if all || tokio::time::Instant::now() >= deadline {
                return Ok(rib);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A session in configuration mode, and what came of it.
struct Session {
    staticd: Vty,
    failures: Vec<Failure>,
    lines: usize,
}

impl Session {
    async fn run(&mut self, line: &str) -> Result<(), FrrError> {
        self.lines += 1;
        self.staticd.run(line).await.map(|_| ())
    }

    /// Sends one step of each change; those that succeeded. The commands of a refused one are taken
    /// back where `undo` says how.
    async fn each<'a>(
        &mut self,
        changes: Vec<(&'a Op, Change)>,
        step: fn(&Change) -> &Vec<String>,
        undo: Option<fn(&Change) -> &Vec<String>>,
    ) -> Result<Vec<(&'a Op, Change)>, FrrError> {
        let mut on = Vec::new();
        for (op, change) in changes {
            match self.step(step(&change)).await {
                Ok(()) => on.push((op, change)),
                Err(error @ FrrError::Refused { .. }) => {
                    let retryable = error.is_retryable();
                    self.failures
                        .push(failure(op, "Refused", error.to_string(), retryable));
                    for line in undo.map(|undo| undo(&change)).into_iter().flatten() {
                        // What was not there cannot be taken back, and staticd only says so.
                        self.run(line).await?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(on)
    }

    fn not_in_force(&mut self, op: &Op, so: &str) {
        let message = format!(
            "the new next hop is not in force: zebra cannot reach it, or prefers another \
             protocol's route; {so}"
        );
        self.failures
            .push(failure(op, "NotInForce", message, false));
    }

    async fn step(&mut self, lines: &[String]) -> Result<(), FrrError> {
        for line in lines {
            self.run(line).await?;
        }
        Ok(())
    }
}

/// Whether a destination leads to one of its next hops at least.
fn leads(rib: &Rib, destination: Prefix, to: &[String]) -> bool {
    to.is_empty() || to.iter().any(|hop| rib.carries(destination, hop))
}

fn failure(op: &Op, code: &str, message: String, retryable: bool) -> Failure {
    Failure {
        destination: Some(op.destination()),
        next_hop: String::new(),
        code: code.to_owned(),
        message,
        retryable,
    }
}
