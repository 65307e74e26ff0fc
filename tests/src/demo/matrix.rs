//! The reachability matrix as text.

use std::fmt::Write;

use super::cluster::{Endpoint, Kind, Question, Reach};
use super::probe::Answer;
use crate::screen::{Paint, Screen};

/// What was asked and what came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'d> {
    pub(super) endpoints: &'d [Endpoint],
    pub(super) questions: &'d [Question],
    pub(super) answers: &'d [Answer],
}

/// How far apart two endpoints are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distance {
    SameNode,
    SameSite,
    AcrossSites,
}

impl Matrix<'_> {
    /// Each question with its answer.
    pub(super) fn cells(&self) -> impl Iterator<Item = (&Question, &Answer)> {
        self.questions.iter().zip(self.answers)
    }

    /// Whether every cell is as the plan says.
    pub(super) fn ok(&self) -> bool {
        !self.questions.is_empty() && self.cells().all(|(q, a)| q.expected == a.observed())
    }

    /// The whole: legend, matrix, round trips.
    pub(super) fn text(&self, screen: Screen) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, screen);
        text
    }

    fn write(&self, out: &mut String, screen: Screen) -> std::fmt::Result {
        let labels = self.labels();
        for (label, endpoint) in labels.iter().zip(self.endpoints) {
            let addresses: Vec<String> =
                endpoint.addresses.iter().map(ToString::to_string).collect();
            writeln!(
                out,
                "  {label:>4}  {:<24} {}",
                endpoint.name,
                addresses.join("  ")
            )?;
        }
        write!(out, "\n  {:>4}  {:<20}", "", "from \\ to")?;
        for label in &labels {
            write!(
                out,
                " {}",
                screen.paint(Paint::Bold, &format!("{label:>3}"))
            )?;
        }
        writeln!(out)?;
        for (from, asking) in self.endpoints.iter().enumerate() {
            if asking.kind != Kind::Container {
                continue;
            }
            write!(out, "  {:>4}  {:<20}", labels[from], asking.name)?;
            for to in 0..self.endpoints.len() {
                write!(out, "  {}", self.cell(from, to, screen))?;
            }
            writeln!(out)?;
        }
        writeln!(
            out,
            "\n  4, 6  answers over IPv4, IPv6     -  is not to answer and does not     .  itself\n  \
             {}     does not answer and is to     {}  answers and is not to",
            screen.paint(Paint::Bad, "x"),
            screen.paint(Paint::Bad, "!")
        )?;
        self.round_trips(out)
    }

    /// Containers are numbered, hosts and gateways too, behind a letter.
    fn labels(&self) -> Vec<String> {
        let mut seen = [0u32; 3];
        let label = |endpoint: &Endpoint| {
            let (kind, letter) = match endpoint.kind {
                Kind::Container => (0, ""),
                Kind::Host => (1, "H"),
                Kind::Gateway => (2, "G"),
            };
            seen[kind] += 1;
            format!("{letter}{}", seen[kind])
        };
        self.endpoints.iter().map(label).collect()
    }

    /// Two characters: one for each family.
    fn cell(&self, from: usize, to: usize, screen: Screen) -> String {
        if from == to {
            return " .".to_owned();
        }
        let one = |v6: bool| {
            let found = self
                .cells()
                .find(|(q, _)| q.from == from && q.to == to && q.address.is_ipv6() == v6);
            let Some((question, answer)) = found else {
                return " ".to_owned();
            };
            let family = if v6 { "6" } else { "4" };
            match (question.expected, answer.observed()) {
                (Reach::Reachable, Reach::Reachable) => screen.paint(Paint::Good, family),
                (Reach::Unreachable, Reach::Unreachable) => screen.paint(Paint::Dim, "-"),
                (Reach::Reachable, Reach::Unreachable) => screen.paint(Paint::Bad, "x"),
                (Reach::Unreachable, Reach::Reachable) => screen.paint(Paint::Bad, "!"),
            }
        };
        one(false) + &one(true)
    }

    fn round_trips(&self, out: &mut String) -> std::fmt::Result {
        let kinds = [
            ("on the same node", Distance::SameNode),
            ("within the site", Distance::SameSite),
            ("across the leased line", Distance::AcrossSites),
        ];
        for (name, distance) in kinds {
            let mut times: Vec<u64> = self
                .cells()
                .filter(|(q, _)| self.distance(q) == distance)
                .filter_map(|(_, a)| a.rtt_us)
                .collect();
            times.sort_unstable();
            if let (Some(median), Some(most)) = (times.get(times.len() / 2), times.last()) {
                writeln!(
                    out,
                    "  round trips {name:<24} {:>5} cells, median {median} µs, at most {most} µs",
                    times.len()
                )?;
            }
        }
        let late = self.answers.iter().filter(|a| a.late).count();
        if late > 0 {
            writeln!(
                out,
                "  {late} cells lost their first packet and answered the second"
            )?;
        }
        Ok(())
    }

    fn distance(&self, question: &Question) -> Distance {
        let (from, to) = (&self.endpoints[question.from], &self.endpoints[question.to]);
        match (from.site == to.site, from.node == to.node) {
            (false, _) => Distance::AcrossSites,
            (true, true) => Distance::SameNode,
            (true, false) => Distance::SameSite,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(name: &str, kind: Kind) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            kind,
            site: "idc".to_owned(),
            node: name.split('/').next().map(str::to_owned),
            addresses: vec![
                "10.0.0.1".parse().expect("v4"),
                "fd00::1".parse().expect("v6"),
            ],
        }
    }

    fn answer(rtt_us: Option<u64>) -> Answer {
        Answer {
            rtt_us,
            late: false,
        }
    }

    /// Two containers and a host; every question answered as given.
    fn shown(v4: (Reach, Option<u64>), v6: (Reach, Option<u64>)) -> (bool, String) {
        let endpoints = [
            endpoint("idc1/web/a", Kind::Container),
            endpoint("idc2/web/a", Kind::Container),
            endpoint("idc1", Kind::Host),
        ];
        let mut questions = Vec::new();
        let mut answers = Vec::new();
        for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2)] {
            for (address, (expected, rtt_us)) in endpoints[to].addresses.iter().zip([v4, v6]) {
                questions.push(Question {
                    from,
                    to,
                    address: *address,
                    expected,
                });
                answers.push(answer(rtt_us));
            }
        }
        let matrix = Matrix {
            endpoints: &endpoints,
            questions: &questions,
            answers: &answers,
        };
        (matrix.ok(), matrix.text(Screen::plain()))
    }

    #[test]
    fn what_is_reached_bears_the_numbers_of_both_families() {
        let reached = (Reach::Reachable, Some(700));
        let (ok, text) = shown(reached, reached);
        assert!(ok);
        assert!(text.contains("idc1/web/a             .  46  46"), "{text}");
        assert!(text.contains("median 700 µs"), "{text}");
    }

    #[test]
    fn what_is_not_as_it_should_be_stands_out() {
        let lost = (Reach::Reachable, None);
        let leaked = (Reach::Unreachable, Some(5));
        let (ok, text) = shown(lost, leaked);
        assert!(!ok);
        assert!(text.contains("x!"), "{text}");
    }

    #[test]
    fn what_is_kept_apart_as_planned_is_fine() {
        let apart = (Reach::Unreachable, None);
        let (ok, text) = shown((Reach::Reachable, Some(1)), apart);
        assert!(ok);
        assert!(text.contains("4-"), "{text}");
    }

    #[test]
    fn a_matrix_of_nothing_proves_nothing() {
        let matrix = Matrix {
            endpoints: &[],
            questions: &[],
            answers: &[],
        };
        assert!(!matrix.ok());
    }
}
