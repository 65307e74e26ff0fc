//! Local accounts: Secrets with a password's hash, for where no OIDC provider is or answers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use flatnet_clock::{Clock, System};
use flatnet_platform_types::api::Code;
use flatnet_platform_watch::{Key, Seen};
use k8s_openapi::api::core::v1::Secret;
use sha2::{Digest, Sha256};

use crate::problem::{Refusal, Reply};

/// The label of an account's Secret. Its keys: `hash` (PHC string of argon2), `groups` (separated by commas or lines).
pub(crate) const ACCOUNT_LABEL: &str = "platform.flatnet.io/account";
/// An account's Secret has this before the account's name.
const PREFIX: &str = "account-";
/// Wrong passwords within [`WINDOW`] after which an account takes none.
const ATTEMPTS: usize = 5;
/// For how long wrong passwords count.
const WINDOW: Duration = Duration::from_secs(60);
/// Accounts whose wrong passwords are counted at a time.
const COUNTED: usize = 10_000;

/// A local account.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    key: Key,
    version: String,
    hash: String,
    pub(crate) groups: Vec<String>,
}

/// Without the hash.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("key", &self.key)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

impl Seen for Account {
    fn key(&self) -> Key {
        self.key.clone()
    }

    fn version(&self) -> &str {
        &self.version
    }
}

impl Account {
    /// What is read of a Secret; none where it is no account.
    pub(crate) fn of(secret: &Secret) -> Option<Self> {
        let name = secret.metadata.name.as_ref()?.strip_prefix(PREFIX)?;
        let text = |key: &str| {
            let bytes = secret.data.as_ref()?.get(key)?;
            String::from_utf8(bytes.0.clone()).ok()
        };
        let groups = text("groups").unwrap_or_default();
        let groups = groups.split([',', '\n']).map(str::trim);
        Some(Self {
            key: Key::new("", name),
            version: secret.metadata.resource_version.clone().unwrap_or_default(),
            hash: text("hash")?.trim().to_owned(),
            // A group of Kubernetes' own is not given away by a Secret of ours.
            groups: groups
                .filter(|g| !g.is_empty() && !g.starts_with("system:"))
                .map(str::to_owned)
                .collect(),
        })
    }

    /// Sixteen hexadecimal digits that are others with another password.
    pub(crate) fn fingerprint(&self) -> String {
        let hash = Sha256::digest(&self.hash);
        hash.iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The argon2id hash of a password, as an account's Secret has it.
///
/// # Errors
/// If there is no randomness for the salt.
pub(crate) fn hashed(password: &str) -> anyhow::Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash
        .map_err(|e| anyhow::anyhow!("cannot hash the password: {e}"))?
        .to_string())
}

/// Counts wrong passwords, and knows what a password of nobody costs.
#[derive(Debug)]
pub(crate) struct Passwords {
    wrong: Mutex<BTreeMap<String, Vec<Duration>>>,
    /// Compared with where there is no such account, so that the time tells nothing.
    nobody: String,
}

impl Passwords {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            wrong: Mutex::default(),
            nobody: hashed("nobody has this password")?,
        })
    }

    /// Whether that is the account's password. It takes some ten milliseconds of a processor: not for an async task.
    pub(crate) fn check(&self, name: &str, account: Option<&Account>, password: &str) -> Reply<()> {
        self.admit(name)?;
        let hash = account.map_or(self.nobody.as_str(), |a| a.hash.as_str());
        let right = PasswordHash::new(hash).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        });
        if right && account.is_some() {
            self.counted().remove(name);
            return Ok(());
        }
        let mut wrong = self.counted();
        if wrong.len() < COUNTED || wrong.contains_key(name) {
            wrong
                .entry(name.to_owned())
                .or_default()
                .push(System.since_boot());
        }
        Err(Refusal::new(
            Code::Unauthenticated,
            "there is no such account, or that is not its password",
        ))
    }

    fn counted(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<Duration>>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, name: &str) -> Reply<()> {
        let now = System.since_boot();
        let mut wrong = self.counted();
        wrong.retain(|_, times| {
            times.retain(|at| now.saturating_sub(*at) < WINDOW);
            !times.is_empty()
        });
        match wrong.get(name).is_some_and(|times| times.len() >= ATTEMPTS) {
            false => Ok(()),
            true => Err(Refusal::new(
                Code::TooManyRequests,
                format!("too many wrong passwords for {name:?}: wait a minute"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn account(groups: &str) -> Account {
        let mut secret = Secret::default();
        secret.metadata.name = Some("account-ann".to_owned());
        let data = [
            ("hash", hashed("right").expect("a hash")),
            ("groups", groups.to_owned()),
        ];
        let data = data.map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes())));
        secret.data = Some(data.into());
        Account::of(&secret).expect("an account")
    }

    #[test]
    fn the_groups_of_kubernetes_itself_are_not_given() {
        let account = account("shop, system:masters\nsre");
        assert_eq!(account.groups, ["shop", "sre"]);
        assert_eq!(account.key(), Key::new("", "ann"));
        assert!(!format!("{account:?}").contains("argon2"), "{account:?}");
    }

    #[test]
    fn after_some_wrong_passwords_the_right_one_is_not_taken_either() {
        let passwords = Passwords::new().expect("randomness");
        let ann = account("");
        assert_eq!(passwords.check("ann", Some(&ann), "right"), Ok(()));
        let code = |name: &str, account: Option<&Account>, password: &str| {
            passwords
                .check(name, account, password)
                .map_err(|r| r.code())
        };
        assert_eq!(
            code("bob", None, "nobody has this password"),
            Err(Code::Unauthenticated)
        );
        for _ in 0..ATTEMPTS {
            assert_eq!(code("ann", Some(&ann), "wrong"), Err(Code::Unauthenticated));
        }
        assert_eq!(code("ann", Some(&ann), "right"), Err(Code::TooManyRequests));
    }
}
