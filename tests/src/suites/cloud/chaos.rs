//! A hundred plans, every fault of the simulator, and SIGKILL at random: the simulator is the judge.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use flatnet_aliyun_sim::faults::Fault;
use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{Host, Range, Site, SiteType};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};

use super::forward::steps;
use super::judge::Judge;
use super::rig::{
    CONTROLLER, Config, TABLE, World, converged, entries, foreign_untouched, lossless, within,
};
use crate::cloud::{ask, grow_world};
use crate::rng::{SeededRng, seed};
use crate::suites::kit::say;
use crate::{Lab, LabGuard, write_plan};

/// Plans, one after the other.
const CHANGES: usize = 100;
/// Of a hundred plans, so many see the controller killed.
const KILLS: usize = 14;
/// The longest time that a plan is in force, in milliseconds.
const LASTS: usize = 1_200;
/// What the VPC's table may hold: little more than the fullest plan asks for.
const QUOTA: u64 = 38;
/// Machines that the cloud has and the lab has not: ranges go from one to the other.
const GHOSTS: usize = 6;
/// Ranges that every plan has, whole or in halves.
const ALWAYS: usize = 6;
/// Ranges that come and go.
const COMING: usize = 6;
/// Entries of others, by their name.
const THEIRS: &str = "somebody else's";
/// How long the last plan may take to be carried out.
const SETTLED: Duration = Duration::from_secs(60);
/// The most memory that vpc-route may need, in KiB.
const MEMORY: u64 = 50 << 10;

pub(super) fn hundred_changes(lab: &LabGuard) -> Result<()> {
    let outcome = changes(lab);
    // Whatever happened, the next check finds the lab as this one did.
    let cleaned = clean(lab);
    outcome.and(cleaned)
}

fn changes(lab: &Lab) -> Result<()> {
    let seed = seed();
    say(&format!("FLATNET_SEED={seed}"));
    let mut rng = SeededRng::new(seed, 1);
    let world = World::attach(lab)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let mut model = Model::new();
    let base = with_absent_hosts(lab.plan())?;
    prepare(lab, &base)?;
    let config = Config::write(lab, "chaos", |c| {
        c["intervalSeconds"] = 1.into();
        c["leaseSeconds"] = 3.into();
        c["graceSeconds"] = 2.into();
        c["massDelete"] = json!({"share": 100, "always": 50});
        c["aliyun"]["timeoutSeconds"] = 1.into();
    })?;
    write_plan(&model.plan(&base)?, lab.layout())?;
    let mut running = config.run(lab)?;
    within(SETTLED, || settled(lab, &config))?;

    let streams = world.streams()?;
    let judge = Judge::begin(lab)?;
    // A delay longer than vpc-route waits for an answer: did it happen or not?
    faults(lab, &json!(Fault::every(1500)), seed)?;
    let (mut kills, mut memory) = (0, 0);
    let begun = Instant::now();
    for _ in 0..CHANGES {
        model.change(&mut rng);
        write_plan(&model.plan(&base)?, lab.layout())?;
        std::thread::sleep(rng.up_to_ms(LASTS / 2));
        if rng.percent(KILLS) {
            memory = memory.max(running.memory()?);
            running.kill()?;
            running = config.run(lab)?;
            kills += 1;
        }
        std::thread::sleep(rng.up_to_ms(LASTS / 2));
    }
    let took = begun.elapsed();
    faults(lab, &json!([]), seed)?;
    let begun = Instant::now();
    within(SETTLED, || settled(lab, &config))?;
    let settling = begun.elapsed();
    memory = memory.max(running.memory()?);
    let answered = lossless(streams)?;
    verdict(lab, &judge, &world)?;
    let (writes, hit) = (judge.writes()?.len(), judge.faults()?);
    say(&format!(
        "{CHANGES} plans in {took:.0?}, {kills} times SIGKILL, {writes} writes, {hit} calls hit by faults; settled {settling:.1?} after the last"
    ));
    say(&format!(
        "at most {} of {QUOTA} entries; {answered} pings, none lost; vpc-route needed {:.1} MiB at most",
        judge.peak(TABLE)?,
        memory as f64 / 1024.0
    ));
    ensure!(kills >= 3 && hit >= 10 && writes >= 30, "it was too quiet");
    ensure!(memory < MEMORY, "vpc-route needed {memory} KiB");
    running.end()?;
    drop(stopped);
    world.detach()
}

/// What the simulator saw.
fn verdict(lab: &Lab, judge: &Judge<'_>, world: &World) -> Result<()> {
    let mut needed: Vec<IpAddr> = world.vpc1.ips().to_vec();
    needed.extend(world.vpc2.ips());
    for at in 0..ALWAYS {
        // One in each half.
        for third in [128 + 16 * at, 128 + 16 * at + 8] {
            needed.push(format!("172.30.{third}.9").parse()?);
        }
    }
    for address in needed {
        judge.always_routed(TABLE, address)?;
    }
    let peak = judge.peak(TABLE)?;
    ensure!(peak <= QUOTA, "the table held {peak} entries");
    foreign_untouched(&judge.events()?, THEIRS)?;
    let theirs = entries(lab, TABLE)?;
    let theirs = theirs.iter().filter(|e| e.name == THEIRS).count();
    ensure!(theirs == 3, "{theirs} of 3 entries of others are left");
    Ok(())
}

/// That a dry run finds nothing to do, no orphan and nothing refused.
fn settled(lab: &Lab, config: &Config) -> Result<()> {
    let output = config
        .command(lab, &["plan", "--color", "never"])
        .output()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let calm = output.status.success() && !text.contains("orphan") && !text.contains("waits");
    ensure!(calm, "{}: {text}", output.status);
    Ok(())
}

/// Which ranges there are, and on which ghost each is.
struct Model {
    /// The first half, and the second where it is another's.
    always: [(usize, Option<usize>); ALWAYS],
    coming: [Option<usize>; COMING],
}

impl Model {
    fn new() -> Self {
        Self {
            always: [(0, None); ALWAYS],
            coming: [None; COMING],
        }
    }

    /// One to three ranges go elsewhere, are cut or joined; one comes or goes.
    fn change(&mut self, rng: &mut SeededRng) {
        for _ in 0..=rng.below(3) {
            let at = rng.below(ALWAYS);
            let second = rng.percent(33).then(|| rng.below(GHOSTS));
            self.always[at] = (rng.below(GHOSTS), second);
        }
        let at = rng.below(COMING);
        self.coming[at] = match self.coming[at] {
            Some(_) => None,
            None => Some(rng.below(GHOSTS)),
        };
    }

    fn plan(&self, base: &NetworkPlan) -> Result<NetworkPlan> {
        let mut plan = base.clone();
        let mut give = |ghost: usize, prefix: String| -> Result<()> {
            let prefix: IpNetwork = prefix.parse()?;
            let name = format!("ghost{ghost}");
            let mut hosts = plan.spec.hosts.iter_mut();
            let host = hosts.find(|h| h.name.as_str() == name).context(name)?;
            host.ranges.push(Range {
                network: "cloud".parse()?,
                prefix,
            });
            Ok(())
        };
        for (at, (first, second)) in self.always.iter().enumerate() {
            let third = 128 + 16 * at;
            match second {
                Some(second) if second != first => {
                    give(*first, format!("172.30.{third}.0/21"))?;
                    give(*second, format!("172.30.{}.0/21", third + 8))?;
                }
                _ => give(*first, format!("172.30.{third}.0/20"))?,
            }
        }
        for (at, ghost) in self.coming.iter().enumerate() {
            if let Some(ghost) = ghost {
                give(*ghost, format!("fd20:30::{:x}:0/112", 0x100 + at))?;
            }
        }
        Ok(plan)
    }
}

/// The plan with machines that nobody started, and with a tight quota.
fn with_absent_hosts(plan: &NetworkPlan) -> Result<NetworkPlan> {
    let mut plan = plan.clone();
    vpc(&mut plan)?
        .route_tables
        .iter_mut()
        .for_each(|t| t.quota = u32::try_from(QUOTA).unwrap_or(u32::MAX));
    let zones: [Host; 2] = ["vpc1", "vpc2"]
        .map(|name| {
            plan.spec
                .hosts
                .iter()
                .find(|h| h.name.as_str() == name)
                .cloned()
        })
        .map(|host| host.context("a node of the VPC"))
        .into_iter()
        .collect::<Result<Vec<_>>>()?
        .try_into()
        .map_err(|_| anyhow::anyhow!("two nodes of the VPC"))?;
    for n in 0..GHOSTS {
        let mut ghost = zones[n % 2].clone();
        let zone = n % 2 + 1;
        ghost.name = format!("ghost{n}").parse()?;
        ghost.instance_id = Some(format!("i-ghost{n}"));
        ghost.addresses = vec![
            format!("172.20.{zone}.{}/24", 100 + n).parse()?,
            format!("fd20:{zone}::{:x}/64", 100 + n).parse()?,
        ];
        // A node of a VPC has a range at least.
        ghost.ranges = vec![Range {
            network: "cloud".parse()?,
            prefix: format!("172.30.{}.0/24", 240 + n).parse()?,
        }];
        plan.spec.hosts.push(ghost);
    }
    Ok(plan)
}

fn vpc(plan: &mut NetworkPlan) -> Result<&mut Site> {
    let mut sites = plan.spec.sites.iter_mut();
    sites
        .find(|s| s.site_type == SiteType::Vpc)
        .context("a VPC")
}

/// The machines are in the cloud, the quota is tight, and others have entries in the table.
fn prepare(lab: &Lab, base: &NetworkPlan) -> Result<()> {
    grow_world(base, lab.layout())?;
    let mut all = vec![json!({"setQuota": {"table": TABLE, "quota": QUOTA}})];
    for n in 0..3 {
        let entry = json!({
            "destination": format!("10.{}.0.0/16", 97 + n), "name": THEIRS,
            "nextHops": [{"type": "Instance", "id": "i-ghost0"}],
        });
        all.push(json!({"addEntry": {"table": TABLE, "entry": entry}}));
    }
    steps(lab, &Value::from(all)).map(drop)
}

fn faults(lab: &Lab, faults: &Value, seed: u64) -> Result<()> {
    let body = json!({"faults": faults, "seed": seed}).to_string();
    let (status, answer) = ask(lab, "POST", "/_sim/faults", &body)?;
    ensure!(status == 200, "{status}: {answer}");
    Ok(())
}

/// The lab's own plan, quota and controller again.
fn clean(lab: &Lab) -> Result<()> {
    faults(lab, &json!([]), 0)?;
    write_plan(lab.plan(), lab.layout())?;
    let mut all = vec![json!({"setQuota": {"table": TABLE, "quota": 200}})];
    for entry in entries(lab, TABLE)? {
        if entry.name == THEIRS {
            all.push(json!({"removeEntry": {"id": entry.id}}));
        }
    }
    steps(lab, &Value::from(all))?;
    // Half of the table goes at once: the lab's own vpc-route would stop and ask.
    let stopped = lab.stop_unit(CONTROLLER)?;
    let config = Config::write(lab, "chaos-clean", |c| {
        c["massDelete"] = json!({"share": 100, "always": 50});
    })?;
    let running = config.run(lab)?;
    within(SETTLED, || settled(lab, &config))?;
    running.end()?;
    drop(stopped);
    converged(lab)
}
