//! What happened: who has which address, which errors came, and what must not have been.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::runtime::RuntimeError;

/// A command of CNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    Add,
    /// An ADD for an attachment whose first ADD failed, without a DEL in between.
    AddAgain,
    Check,
    Del,
}

/// The codes that a call may fail with while daemons are being killed.
pub(super) type Excuses = fn(Call) -> &'static [u64];

/// Shared by all workers.
pub(super) struct Ledger {
    excuses: Excuses,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    holders: HashMap<IpAddr, String>,
    done: BTreeMap<Call, usize>,
    errors: BTreeMap<(Call, String), usize>,
    forgotten: usize,
    violations: Vec<String>,
}

impl Ledger {
    pub(super) fn new(excuses: Excuses) -> Self {
        Self {
            excuses,
            book: Mutex::default(),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        work(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A container was given addresses: nobody may have them.
    pub(super) fn given(&self, container: &str, addresses: &[IpAddr]) {
        self.with(|book| {
            for ip in addresses {
                if let Some(other) = book.holders.insert(*ip, container.to_owned())
                    && other != container
                {
                    book.violations
                        .push(format!("{ip} was given to {container}, and {other} has it"));
                }
            }
        });
    }

    /// A container is about to lose its addresses.
    pub(super) fn gone(&self, addresses: &[IpAddr]) {
        self.with(|book| {
            for ip in addresses {
                book.holders.remove(ip);
            }
        });
    }

    /// A call succeeded.
    pub(super) fn done(&self, call: Call) {
        self.with(|book| *book.done.entry(call).or_default() += 1);
    }

    /// A call failed. Without an excuse, that must not have been.
    pub(super) fn failed(&self, call: Call, container: &str, error: &RuntimeError) {
        let excused = error
            .code()
            .is_some_and(|code| (self.excuses)(call).contains(&code));
        self.with(|book| {
            *book.errors.entry((call, kind(error))).or_default() += 1;
            if !excused {
                book.violations
                    .push(format!("{call:?} of {container}: {error}"));
            }
        });
    }

    /// A container that the runtime will never mention again.
    pub(super) fn forgot(&self) {
        self.with(|book| book.forgotten += 1);
    }

    /// Something that must not have been.
    pub(super) fn wrong(&self, what: String) {
        self.with(|book| book.violations.push(what));
    }

    pub(super) fn count(&self, call: Call) -> usize {
        self.with(|book| book.done.get(&call).copied().unwrap_or(0))
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.with(|book| book.violations.clone())
    }
}

/// An error without what makes each one different.
fn kind(error: &RuntimeError) -> String {
    let text = match error {
        RuntimeError::Plugin { code, msg, .. } => format!("{code} {msg}"),
        other => other.to_string(),
    };
    let text: String = text.chars().take(70).collect();
    text.split_whitespace()
        .map(|word| {
            if word.contains('/') || word.contains("chaos") {
                "…"
            } else {
                word
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|book| {
            let done: Vec<String> = book
                .done
                .iter()
                .map(|(c, n)| format!("{n} {c:?}"))
                .collect();
            write!(
                f,
                "succeeded: {}; forgotten: {}",
                done.join(", "),
                book.forgotten
            )?;
            for ((call, kind), n) in &book.errors {
                write!(f, "\n      {n} × {call:?} {kind}")?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_somebody_has_must_not_be_given_again() {
        let ledger = Ledger::new(|_| &[]);
        let ip: IpAddr = "10.0.0.1".parse().expect("ip");
        ledger.given("a", &[ip]);
        ledger.gone(&[ip]);
        ledger.given("b", &[ip]);
        assert!(ledger.violations().is_empty());
        ledger.given("c", &[ip]);
        assert_eq!(
            ledger.violations(),
            ["10.0.0.1 was given to c, and b has it"]
        );
    }

    #[test]
    fn an_error_without_an_excuse_must_not_have_been() {
        let error = |code| RuntimeError::Plugin {
            plugin: "flatnet".into(),
            code,
            msg: "no".into(),
            details: String::new(),
            cni_version: String::new(),
        };
        let ledger = Ledger::new(|call| if call == Call::Add { &[11] } else { &[] });
        ledger.failed(Call::Add, "a", &error(11));
        assert!(ledger.violations().is_empty());
        ledger.failed(Call::Check, "a", &error(11));
        ledger.failed(Call::Add, "a", &error(7));
        assert_eq!(ledger.violations().len(), 2);
    }
}
