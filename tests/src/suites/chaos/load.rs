//! The load: runtimes that attach, check and detach containers at random, and that behave as
//! badly as real ones do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::PATIENCE;
use super::containers::{Container, Living, Spot};
use super::ledger::{Call, Ledger};
use crate::process::poll;
use crate::rng::SeededRng;

/// How many containers each worker has at most.
const MOST: usize = 4;
/// An ADD that fails is repeated without a DEL so many times in a hundred.
const AGAIN: usize = 25;
/// A container is never mentioned again so many times in a hundred.
const FORGET: usize = 8;
/// Its namespace goes before the DEL so many times in a hundred.
const NETNS_FIRST: usize = 40;
/// The same container is attached again after its DEL so many times in a hundred.
const ONCE_MORE: usize = 20;

/// Who is there when the load has stopped.
#[derive(Debug, Default)]
pub(super) struct Population {
    /// Attached, as far as the runtime knows.
    pub(super) living: Vec<Living>,
    /// Containers that the runtime has forgotten, whose namespaces are still there.
    pub(super) ghosts: Vec<Container>,
}

/// Works until `stop` is set; each of so many workers on one of the spots at a time.
pub(super) fn run(
    spots: &[Spot],
    seed: u64,
    ledger: &Ledger,
    stop: &AtomicBool,
    workers: usize,
) -> Result<Population> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|number| {
                let mut worker = Worker {
                    number,
                    made: 0,
                    rng: SeededRng::new(seed, u64::try_from(number).unwrap_or(0) + 1),
                    spots,
                    ledger,
                    there: Population::default(),
                };
                scope.spawn(move || worker.work(stop).map(|()| worker.there))
            })
            .collect();
        let mut all = Population::default();
        for worker in workers {
            let one = worker.join().map_err(|_| anyhow!("a worker panicked"))??;
            all.living.extend(one.living);
            all.ghosts.extend(one.ghosts);
        }
        Ok(all)
    })
}

struct Worker<'a> {
    number: usize,
    made: usize,
    rng: SeededRng,
    spots: &'a [Spot],
    ledger: &'a Ledger,
    there: Population,
}

impl Worker<'_> {
    fn work(&mut self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let have = self.there.living.len();
            match self.rng.below(10) {
                0 | 1 if have > 0 => self.check(),
                2..=4 if have > 0 => self.end_one()?,
                _ if have < MOST => self.begin_one()?,
                _ => self.end_one()?,
            }
        }
        Ok(())
    }

    fn check(&mut self) {
        let index = self.rng.below(self.there.living.len());
        let one = &self.there.living[index];
        match one.check() {
            Ok(()) => self.ledger.done(Call::Check),
            Err(e) => self.ledger.failed(Call::Check, one.id(), &e),
        }
    }

    fn begin_one(&mut self) -> Result<()> {
        self.made += 1;
        let container = Container::create(&format!("chaos-{}-{}", self.number, self.made))?;
        let spot = self.spots[self.rng.below(self.spots.len())].clone();
        self.attach(spot, container)
    }

    /// ADD; what failed is tried again, taken back or forgotten.
    fn attach(&mut self, spot: Spot, container: Container) -> Result<()> {
        let mut call = Call::Add;
        loop {
            match spot.cni.add(&container.conf) {
                Ok(added) => {
                    self.ledger.done(call);
                    self.ledger.given(container.id(), &added.result.addresses());
                    self.there.living.push(Living {
                        spot,
                        container,
                        added,
                    });
                    return Ok(());
                }
                Err(e) => self.ledger.failed(call, container.id(), &e),
            }
            // Runtimes wait for seconds; without any pause, most of the load would be
            // plugins that find nobody.
            std::thread::sleep(self.rng.up_to_ms(40));
            if call == Call::AddAgain || !self.rng.percent(AGAIN) {
                break;
            }
            call = Call::AddAgain;
        }
        if self.rng.percent(FORGET) {
            self.forget(container);
            return Ok(());
        }
        self.detach(&spot, container, None).map(drop)
    }

    fn end_one(&mut self) -> Result<()> {
        let index = self.rng.below(self.there.living.len());
        let Living {
            spot,
            container,
            added,
        } = self.there.living.swap_remove(index);
        if self.rng.percent(FORGET) {
            // Its address is not to be given to anybody until GC takes it.
            self.forget(container);
            return Ok(());
        }
        self.ledger.gone(&added.result.addresses());
        let Some(container) = self.detach(&spot, container, Some(&added.raw))? else {
            return Ok(());
        };
        if self.rng.percent(ONCE_MORE) {
            return self.attach(spot, container);
        }
        Ok(())
    }

    /// DEL until it is answered; the container, unless its namespace went first.
    fn detach(
        &mut self,
        spot: &Spot,
        container: Container,
        added: Option<&serde_json::Value>,
    ) -> Result<Option<Container>> {
        let mut left = Some(container);
        let container = left.as_ref().context("a container")?;
        let (id, conf) = (container.id().to_owned(), container.conf.clone());
        if self.rng.percent(NETNS_FIRST) {
            left = None;
        }
        let answered = poll(PATIENCE, || match spot.cni.del(&conf, added) {
            Ok(_) => Some(()),
            Err(e) => {
                self.ledger.failed(Call::Del, &id, &e);
                None
            }
        });
        match answered {
            Some(()) => self.ledger.done(Call::Del),
            None => self
                .ledger
                .wrong(format!("no DEL of {id} succeeded within {PATIENCE:?}")),
        }
        Ok(left)
    }

    fn forget(&mut self, container: Container) {
        self.ledger.forgot();
        if self.rng.percent(50) {
            self.there.ghosts.push(container);
        }
    }
}

/// A moment for what is done in the background.
pub(super) fn short_pause() {
    std::thread::sleep(Duration::from_millis(50));
}
