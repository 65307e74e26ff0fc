//! The measurement: ping, run inside the asking container, some at a time.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow};

use super::cluster::{Question, Reach};
use super::mark::Mark;
use crate::interrupt::Interrupt;
use crate::runtime::netns;

/// Pings at a time: more would measure the queue for the processors.
const AT_ONCE: usize = 8;

/// What a ping found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// The round trip in microseconds; none: no answer.
    pub(super) rtt_us: Option<u64>,
    /// The first packet was lost and a later one answered.
    pub(super) late: bool,
}

impl Answer {
    pub(super) fn observed(self) -> Reach {
        match self.rtt_us {
            Some(_) => Reach::Reachable,
            None => Reach::Unreachable,
        }
    }
}

/// Asks every question; `netns_of` gives the namespace of an asking endpoint.
///
/// # Errors
/// If ping cannot be run, or the work is interrupted.
pub(super) fn ask_all<'p>(
    questions: &[Question],
    netns_of: impl Fn(usize) -> Option<&'p Path> + Sync,
    run: u32,
    interrupt: &Interrupt,
    step: impl Fn() + Sync,
) -> Result<Vec<Answer>> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(vec![None; questions.len()]);
    let work = || -> Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(question) = questions.get(index) else {
                return Ok(());
            };
            interrupt.check()?;
            let path = netns_of(question.from).context("a question without a container")?;
            // This thread works in one container after the other and then ends.
            netns::enter(path)?;
            let mark = Mark {
                from: u16::try_from(question.from)?,
                to: u16::try_from(question.to)?,
                run,
            };
            let answer = ask(question.address, mark)?;
            if let Ok(mut answers) = answers.lock() {
                answers[index] = Some(answer);
            }
            step();
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a worker panicked"))??;
        }
        anyhow::Ok(())
    })?;
    let answers = answers.into_inner().unwrap_or_default();
    let complete: Option<Vec<Answer>> = answers.into_iter().collect();
    complete.context("not every question was asked")
}

/// One packet; where it is lost, three more, so that what is slow is told from what is not.
fn ask(address: IpAddr, mark: Mark) -> Result<Answer> {
    let first = ping(address, mark, &["-c", "1", "-W", "1"])?;
    if first.is_some() {
        return Ok(Answer {
            rtt_us: first,
            late: false,
        });
    }
    let again = ping(address, mark, &["-c", "3", "-i", "0.2", "-W", "1"])?;
    Ok(Answer {
        rtt_us: again,
        late: again.is_some(),
    })
}

fn ping(address: IpAddr, mark: Mark, how: &[&str]) -> Result<Option<u64>> {
    let out = Command::new("ping")
        .args(["-n", "-p", &mark.pattern()])
        .args(how)
        .arg(address.to_string())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .context("cannot run ping")?;
    Ok(round_trip_us(&String::from_utf8_lossy(&out.stdout)))
}

/// The first `time=0.123 ms` of what ping printed, in microseconds.
fn round_trip_us(output: &str) -> Option<u64> {
    let (_, rest) = output.split_once("time=")?;
    let (number, _) = rest.split_once(" ms")?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let micros: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(whole.parse::<u64>().ok()? * 1000 + micros.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_read_in_microseconds() {
        let line =
            |time: &str| format!("64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time={time} ms\n");
        for (text, micros) in [
            ("0.123", 123),
            ("1.2", 1200),
            ("12.34", 12_340),
            ("105", 105_000),
        ] {
            assert_eq!(round_trip_us(&line(text)), Some(micros), "{text}");
        }
    }

    #[test]
    fn silence_has_no_round_trip() {
        let output =
            "PING 10.0.0.1\n\n--- ping statistics ---\n1 packets transmitted, 0 received\n";
        assert_eq!(round_trip_us(output), None);
    }
}
