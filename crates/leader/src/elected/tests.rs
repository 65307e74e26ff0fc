//! Candidates over a network that delays and loses calls, in time that passes at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use super::*;

const S: Duration = Duration::from_secs(1);

/// The record, and what each call of the candidates meets.
#[derive(Default)]
struct Server {
    record: Mutex<Option<Stored>>,
    versions: AtomicU64,
}

impl Server {
    fn store(&self, record: Record, over: Option<&str>) -> Written {
        let mut found = self.record.lock().unwrap();
        if found.as_ref().map(|f| f.version.as_str()) != over {
            return Written::Conflict;
        }
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        let stored = Stored {
            record,
            version: version.to_string(),
        };
        *found = Some(stored.clone());
        Written::Done(stored)
    }

    fn holder(&self) -> String {
        let found = self.record.lock().unwrap();
        found
            .as_ref()
            .map_or(String::new(), |f| f.record.holder.clone())
    }
}

/// How a call fares: how long each way takes, and whether it or its answer is lost.
#[derive(Debug, Clone, Copy)]
struct Fate {
    there: Duration,
    back: Duration,
    lost: bool,
    unheard: bool,
}

const FINE: Fate = Fate {
    there: Duration::from_millis(1),
    back: Duration::from_millis(1),
    lost: false,
    unheard: false,
};

/// One candidate's way to the record: the fates of its calls, then none that is bad.
struct Way {
    server: Arc<Server>,
    fates: Mutex<std::vec::IntoIter<Fate>>,
}

impl Way {
    fn new(server: &Arc<Server>, fates: Vec<Fate>) -> Self {
        Self {
            server: Arc::clone(server),
            fates: Mutex::new(fates.into_iter()),
        }
    }

    /// The call goes on when its caller has given up.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Server) -> T + Send + 'static,
    ) -> Result<T, KubernetesError> {
        let fate = self.fates.lock().unwrap().next().unwrap_or(FINE);
        let server = Arc::clone(&self.server);
        let call = tokio::spawn(async move {
            sleep(fate.there).await;
            let answer = (!fate.lost).then(|| work(&server));
            sleep(fate.back).await;
            answer.filter(|_| !fate.unheard)
        });
        match call.await.unwrap() {
            Some(answer) => Ok(answer),
            None => std::future::pending().await,
        }
    }
}

impl LeaseApi for Way {
    async fn read(&self) -> Result<Option<Stored>, KubernetesError> {
        self.call(|server| server.record.lock().unwrap().clone())
            .await
    }

    async fn write(&self, record: &Record, over: Option<&str>) -> Result<Written, KubernetesError> {
        let (record, over) = (record.clone(), over.map(str::to_owned));
        self.call(move |server| server.store(record, over.as_deref()))
            .await
    }
}

/// A clock that runs at its own rate, in percent, and shows another time of day.
struct TokioClock {
    begun: Instant,
    percent: u32,
}

impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.since_boot() * (self.percent - 80)
    }

    fn since_boot(&self) -> Duration {
        self.begun.elapsed() * self.percent / 100
    }
}

fn candidate(server: &Arc<Server>, name: &str, percent: u32, fates: Vec<Fate>) -> Elected<Way> {
    let clock = TokioClock {
        begun: Instant::now(),
        percent,
    };
    let way = Way::new(server, fates);
    Elected::new(way, name, Timing::of(10 * S), Arc::new(clock))
}

/// As the daemon does, until it is dropped.
async fn runs(elected: &Elected<Way>) {
    let timing = Timing::of(10 * S);
    loop {
        let wait = match elected.try_take(0).await {
            Ok(Verdict::Leads { .. }) => timing.retry,
            Ok(Verdict::Standby { left, .. }) => left.min(timing.retry),
            Err(_) => timing.retry / 2,
        };
        sleep(wait).await;
    }
}

/// What a leader left that stopped.
fn free() -> Record {
    Record {
        renewed: Some(UNIX_EPOCH),
        ..Record::default()
    }
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_found_by_reading_and_goes_on() {
    let server = Arc::new(Server::default());
    server.store(free(), None);
    let unheard = Fate {
        unheard: true,
        ..FINE
    };
    let a = candidate(&server, "a", 100, vec![FINE, unheard]);
    let error = a.try_take(0).await.unwrap_err();
    assert!(matches!(
        error,
        KubernetesError::Silent {
            doing: "update",
            ..
        }
    ));
    assert!(a.left().is_zero() && server.holder() == "a");
    assert_eq!(a.try_take(0).await.unwrap(), Verdict::Leads { epoch: 1 });
    assert!(!a.left().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_hears_nothing_stops_before_a_standby_starts_and_goes_on_after() {
    let server = Arc::new(Server::default());
    server.store(free(), None);
    let lost = Fate { lost: true, ..FINE };
    // It reads and takes it; then its line is cut for ten calls.
    let fates = [vec![FINE, FINE], vec![lost; 10]].concat();
    let a = candidate(&server, "a", 100, fates);
    assert!(matches!(a.try_take(0).await, Ok(Verdict::Leads { .. })));
    let begun = Instant::now();
    tokio::select! {
        () = runs(&a) => {}
        () = async { while !a.left().is_zero() { sleep(S / 10).await } } => {}
    }
    assert!(begun.elapsed() <= 7 * S + S / 10, "{:?}", begun.elapsed());
    tokio::select! {
        () = runs(&a) => {}
        () = async { while a.left().is_zero() { sleep(S / 10).await } } => {}
    }
    assert_eq!(server.holder(), "a");
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_is_taken_at_the_next_look() {
    let server = Arc::new(Server::default());
    server.store(free(), None);
    let a = candidate(&server, "a", 100, vec![]);
    let b = candidate(&server, "b", 100, vec![]);
    assert_eq!(a.try_take(0).await.unwrap(), Verdict::Leads { epoch: 1 });
    let waits = b.try_take(0).await.unwrap();
    assert!(
        matches!(waits, Verdict::Standby { alive: false, .. }),
        "{waits:?}"
    );
    assert_eq!(b.leader().await.as_deref(), Some("a"));
    a.resign().await.unwrap();
    assert!(a.left().is_zero() && server.holder().is_empty());
    assert_eq!(b.try_take(0).await.unwrap(), Verdict::Leads { epoch: 2 });
    // What is not its own is not its own to give back.
    a.resign().await.unwrap();
    assert_eq!(server.holder(), "b");
}

fn fate() -> impl Strategy<Value = Fate> {
    let way = prop_oneof![
        6 => 0u64..50,
        2 => 0u64..3_000,
        // Far beyond what the caller waits for.
        1 => 0u64..20_000,
    ];
    let lost = || prop_oneof![6 => Just(false), 1 => Just(true)];
    (way.clone(), way, lost(), lost()).prop_map(|(there, back, lost, unheard)| Fate {
        there: Duration::from_millis(there),
        back: Duration::from_millis(back),
        lost,
        unheard,
    })
}

/// What happens to a candidate, after so many seconds.
#[derive(Debug, Clone)]
enum Event {
    Dies(usize),
    Stops(usize),
    /// It stands still for so long, its clock runs on: a SIGSTOP, or a long page fault.
    Sleeps(usize, u64),
    Deleted,
}

fn event() -> impl Strategy<Value = (u64, Event)> {
    let which = 0..2usize;
    let what = prop_oneof![
        which.clone().prop_map(Event::Dies),
        which.clone().prop_map(Event::Stops),
        (which, 1u64..30).prop_map(|(who, long)| Event::Sleeps(who, long)),
        Just(Event::Deleted),
    ];
    (0u64..15_000, what)
}

#[derive(Debug, Clone)]
struct Life {
    percent: u32,
    fates: Vec<Fate>,
}

fn life() -> impl Strategy<Value = Life> {
    (92u32..=108, prop::collection::vec(fate(), 0..60))
        .prop_map(|(percent, fates)| Life { percent, fates })
}

/// Two candidates through all of it.
async fn lives(lives: Vec<Life>, events: Vec<(u64, Event)>) -> Result<(), TestCaseError> {
    let server = Arc::new(Server::default());
    let mut named = 0;
    let mut start = |life: &Life| {
        named += 1;
        let fates = life.fates.clone();
        let one = Arc::new(candidate(
            &server,
            &format!("c{named}"),
            life.percent,
            fates,
        ));
        let other = Arc::clone(&one);
        (one, tokio::spawn(async move { runs(&other).await }))
    };
    let mut pair: Vec<_> = lives.iter().take(2).map(&mut start).collect();
    let mut asleep: [Option<Instant>; 2] = [None, None];
    // After the last event nothing fails but what the fates still hold.
    let quiet = (60_000, Event::Deleted);
    for (after, event) in events.iter().chain([&quiet]) {
        let next = Instant::now() + Duration::from_millis(*after);
        while Instant::now() < next {
            let leaders = pair.iter().filter(|(c, _)| !c.left().is_zero()).count();
            prop_assert!(leaders <= 1, "two lead at {:?}", Instant::now());
            for (who, until) in asleep.iter_mut().enumerate() {
                if until.is_some_and(|until| until <= Instant::now()) {
                    *until = None;
                    let one = Arc::clone(&pair[who].0);
                    pair[who].1 = tokio::spawn(async move { runs(&one).await });
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
        match event {
            Event::Dies(who) => {
                pair[*who].1.abort();
                pair[*who] = start(&lives[2]);
                asleep[*who] = None;
            }
            Event::Stops(who) => {
                pair[*who].1.abort();
                // That it could not say so is the standby's loss of time, no more.
                let _ = pair[*who].0.resign().await;
                prop_assert!(pair[*who].0.left().is_zero());
                pair[*who] = start(&lives[3]);
                asleep[*who] = None;
            }
            Event::Sleeps(who, long) => {
                pair[*who].1.abort();
                asleep[*who] = Some(Instant::now() + Duration::from_secs(*long));
            }
            Event::Deleted => *server.record.lock().unwrap() = None,
        }
    }
    // No failures from here on: one leads in time, and goes on to.
    for (one, _) in &pair {
        *one.api().fates.lock().unwrap() = vec![].into_iter();
    }
    sleep(45 * S).await;
    for _ in 0..600 {
        let leaders = pair.iter().filter(|(c, _)| !c.left().is_zero()).count();
        prop_assert_eq!(leaders, 1);
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_do_two_lead_whatever_is_late_lost_killed_or_deleted_and_one_does_when_all_is_well(
        people in prop::collection::vec(life(), 4),
        events in prop::collection::vec(event(), 0..12),
    ) {
        paused().block_on(lives(people, events))?;
    }
}
