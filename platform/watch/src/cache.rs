//! Objects of one kind as they were seen last, by watch or in the answer to a write. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

/// An object's place.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key {
    /// The namespace; empty where the kind has none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// That place.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace.is_empty() {
            true => f.write_str(&self.name),
            false => write!(f, "{}/{}", self.namespace, self.name),
        }
    }
}

/// What was seen of an object.
pub trait Seen {
    /// Where it is.
    fn key(&self) -> Key;
    /// Its `metadata.resourceVersion`.
    fn version(&self) -> &str;
}

/// What a list and the watch after it tell.
#[derive(Debug)]
pub enum Told<T> {
    /// All of them, at a version of the store.
    Listed(Vec<T>, String),
    /// One that is new or changed.
    Applied(T),
    /// One that is gone, as it was last.
    Deleted(T),
}

impl<T> Told<T> {
    /// The same in another form; what the form makes nothing of is left out.
    pub fn formed<U>(self, form: impl Fn(&T) -> Option<U>) -> Option<Told<U>> {
        Some(match self {
            Self::Listed(all, version) => {
                Told::Listed(all.iter().filter_map(form).collect(), version)
            }
            Self::Applied(one) => Told::Applied(form(&one)?),
            Self::Deleted(one) => Told::Deleted(form(&one)?),
        })
    }
}

/// Objects of one kind.
///
/// Assumptions: versions of one server's objects are numbers that grow (Kubernetes 1.35 says so; etcd always did).
#[derive(Debug)]
pub struct Cache<T> {
    items: Option<BTreeMap<Key, T>>,
    /// The newest version that the watch has told.
    told: u64,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self {
            items: None,
            told: 0,
        }
    }
}

fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

impl<T: Seen> Cache<T> {
    /// Whether all have been listed.
    pub fn is_listed(&self) -> bool {
        self.items.is_some()
    }

    /// One of them.
    pub fn get(&self, key: &Key) -> Option<&T> {
        self.items.as_ref()?.get(key)
    }

    /// All of them, by their places.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().flat_map(BTreeMap::values)
    }

    /// Takes in what a list or a watch tells. What an answer to a write has told newer stays.
    pub fn told(&mut self, told: Told<T>) {
        match told {
            Told::Listed(all, version) => {
                let at = number(&version);
                let before = self.items.take().unwrap_or_default();
                let mut items: BTreeMap<Key, T> = all.into_iter().map(|i| (i.key(), i)).collect();
                for (key, item) in before {
                    if number(item.version()) > at {
                        items.insert(key, item);
                    }
                }
                self.items = Some(items);
                self.told = self.told.max(at);
            }
            Told::Applied(item) => {
                self.told = self.told.max(number(item.version()));
                self.put(item);
            }
            Told::Deleted(item) => {
                self.told = self.told.max(number(item.version()));
                let key = item.key();
                let newer = self
                    .get(&key)
                    .is_some_and(|i| number(i.version()) > number(item.version()));
                if !newer {
                    self.gone(&key);
                }
            }
        }
    }

    /// Takes in the answer to a write. An object that is not here, and is older than what the watch told last, has been
    /// deleted meanwhile.
    pub fn wrote(&mut self, item: T) {
        let known = self.get(&item.key()).is_some();
        if known || number(item.version()) > self.told {
            self.put(item);
        }
    }

    /// Forgets one that a server says is not there.
    pub fn gone(&mut self, key: &Key) {
        if let Some(items) = &mut self.items {
            items.remove(key);
        }
    }

    fn put(&mut self, item: T) {
        let Some(items) = &mut self.items else {
            return;
        };
        let key = item.key();
        let newer = items
            .get(&key)
            .is_some_and(|i| number(i.version()) > number(item.version()));
        if !newer {
            items.insert(key, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Thing(&'static str, &'static str);

    impl Seen for Thing {
        fn key(&self) -> Key {
            Key::new("", self.0)
        }

        fn version(&self) -> &str {
            self.1
        }
    }

    fn held(cache: &Cache<Thing>) -> Vec<Thing> {
        cache.iter().cloned().collect()
    }

    #[test]
    fn what_was_written_is_not_undone_by_what_is_older() {
        let mut cache = Cache::default();
        cache.told(Told::Listed(vec![Thing("a", "5")], "7".to_owned()));
        cache.wrote(Thing("a", "9"));
        cache.told(Told::Applied(Thing("a", "8")));
        assert_eq!(held(&cache), [Thing("a", "9")]);
        cache.told(Told::Listed(vec![Thing("a", "8")], "8".to_owned()));
        assert_eq!(held(&cache), [Thing("a", "9")]);
        cache.told(Told::Listed(vec![], "12".to_owned()));
        assert_eq!(held(&cache), []);
    }

    #[test]
    fn the_late_answer_to_a_write_brings_nothing_back_that_was_deleted() {
        let mut cache = Cache::default();
        cache.told(Told::Listed(vec![Thing("a", "5")], "7".to_owned()));
        cache.told(Told::Deleted(Thing("a", "11")));
        cache.wrote(Thing("a", "10"));
        assert_eq!(held(&cache), []);
        cache.wrote(Thing("b", "12"));
        assert_eq!(held(&cache), [Thing("b", "12")]);
    }
}
