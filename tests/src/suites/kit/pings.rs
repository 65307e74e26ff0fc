//! A stream of pings, and the gaps in it.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::container::Container;

/// So many of the last pings may be under way when a stream is ended.
const UNDER_WAY: u32 = 3;

/// How long a stream goes on by itself.
const LASTS: Duration = Duration::from_secs(120);

/// A ping that runs until it is finished.
#[derive(Debug)]
pub(in crate::suites) struct Stream {
    name: String,
    child: Child,
    output: Option<JoinHandle<String>>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::suites) struct Outcome {
    /// From whom to whom.
    pub(in crate::suites) name: String,
    /// Echo requests sent.
    pub(in crate::suites) sent: u32,
    /// Those that were answered.
    pub(in crate::suites) answered: usize,
    /// Of those before the last answer, the ones without an answer.
    pub(in crate::suites) lost: usize,
    /// The longest time between two answers.
    pub(in crate::suites) gap: Duration,
    /// Sent after the last answer.
    pub(in crate::suites) unanswered_tail: u32,
}

impl Stream {
    /// Starts one, at an interval that ping takes: `0.01`. It ends by itself after two minutes,
    /// or somewhat more.
    ///
    /// # Errors
    /// If ping does not start.
    pub(in crate::suites) fn start(from: &Container, to: IpAddr, interval: &str) -> Result<Self> {
        Self::by(from.command("ping"), from.id(), to, interval)
    }

    /// The same by a command that becomes ping where the pings are to come from.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(in crate::suites) fn by(
        mut command: Command,
        from: &str,
        to: IpAddr,
        interval: &str,
    ) -> Result<Self> {
        // With `-w`, a router's "unreachable" would end it.
        let seconds: f64 = interval.parse().context("ping's interval")?;
        let count = format!("{:.0}", LASTS.as_secs_f64() / seconds);
        command
            .args(["-n", "-D", "-c", &count, "-i", interval, &to.to_string()])
            .env("LC_ALL", "C")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().context("cannot run ping")?;
        let mut stdout = child.stdout.take().context("ping has no stdout")?;
        let output = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stdout.read_to_string(&mut text);
            text
        });
        Ok(Self {
            name: format!("{from} to {to}"),
            child,
            output: Some(output),
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// If ping said nothing that can be read.
    pub(in crate::suites) fn finish(mut self) -> Result<Outcome> {
        self.signal(Signal::SIGINT);
        self.child.wait()?;
        let text = self.output.take().and_then(|t| t.join().ok());
        let text = text.ok_or_else(|| anyhow!("{}: what ping printed was lost", self.name))?;
        read(&self.name, &text)
    }

    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // Not waited for yet, so the number is still its own.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Both fail harmlessly on one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Outcome {
    /// That nothing was lost, and that pings went on to the end.
    ///
    /// # Errors
    /// What was lost.
    pub(in crate::suites) fn lossless(&self) -> Result<()> {
        ensure!(
            self.lost == 0 && self.unanswered_tail <= UNDER_WAY && self.answered > 0,
            "{}: of {} pings {} were lost and the last {} not answered; the longest gap was {:?}",
            self.name,
            self.sent,
            self.lost,
            self.unanswered_tail,
            self.gap
        );
        Ok(())
    }

    /// That answers came again after at most `limit`.
    ///
    /// # Errors
    /// If they did not.
    pub(in crate::suites) fn recovered(&self, limit: Duration) -> Result<()> {
        ensure!(
            self.answered > 0 && self.unanswered_tail <= UNDER_WAY && self.gap <= limit,
            "{}: {} of {} pings answered, the last {} not; the longest gap was {:?}",
            self.name,
            self.answered,
            self.sent,
            self.unanswered_tail,
            self.gap
        );
        Ok(())
    }
}

/// Reads what `ping -D` printed: `[1700000000.123456] 64 bytes from …: icmp_seq=12 ttl=…`.
fn read(name: &str, text: &str) -> Result<Outcome> {
    let mut seen = BTreeSet::new();
    let mut times = Vec::new();
    for line in text.lines() {
        let Some((stamp, rest)) = line.strip_prefix('[').and_then(|l| l.split_once(']')) else {
            continue;
        };
        let sequence = rest
            .split_once("icmp_seq=")
            .filter(|_| rest.contains(" bytes from "));
        let Some((_, sequence)) = sequence else {
            continue;
        };
        let number = sequence
            .split_whitespace()
            .next()
            .and_then(|n| n.parse::<u32>().ok());
        if let Some((number, at)) = number.zip(stamp.parse::<f64>().ok()) {
            seen.insert(number);
            times.push(at);
        }
    }
    let summary = text.lines().find(|l| l.contains(" packets transmitted"));
    let sent = summary
        .and_then(|l| l.split_whitespace().next()?.parse::<u32>().ok())
        .with_context(|| format!("{name}: ping gave no summary: {text}"))?;
    let last = seen.last().copied().unwrap_or(0);
    let gap = times.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
    Ok(Outcome {
        name: name.to_owned(),
        sent,
        answered: seen.len(),
        lost: usize::try_from(last)? - seen.len(),
        gap: Duration::try_from_secs_f64(gap).unwrap_or_default(),
        unanswered_tail: sent.saturating_sub(last),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n\
        [100.000000] 64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=0.1 ms\n\
        [100.010000] 64 bytes from 10.0.0.1: icmp_seq=2 ttl=64 time=0.1 ms\n\
        [100.500000] From 10.0.0.9 icmp_seq=3 Destination Host Unreachable\n\
        [101.000000] 64 bytes from 10.0.0.1: icmp_seq=5 ttl=64 time=0.1 ms\n\
        \n--- 10.0.0.1 ping statistics ---\n\
        7 packets transmitted, 3 received, +1 errors, 57% packet loss, time 1ms\n";

    #[test]
    fn losses_and_the_longest_gap_are_found() {
        let outcome = read("a", TEXT).expect("an outcome");
        assert_eq!((outcome.sent, outcome.answered, outcome.lost), (7, 3, 2));
        assert_eq!(outcome.unanswered_tail, 2);
        assert_eq!(outcome.gap.as_millis(), 990);
        assert!(outcome.lossless().is_err());
        assert!(outcome.recovered(Duration::from_millis(500)).is_err());
        assert!(outcome.recovered(Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn what_is_no_ping_is_no_outcome() {
        assert!(read("a", "ping: unknown host").is_err());
    }
}
