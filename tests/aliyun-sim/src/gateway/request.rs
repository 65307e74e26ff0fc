//! A request as it came, and its parameters.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// RFC 3986's unreserved characters stay: letters, digits, `-`, `_`, `.`, `~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What must not be in a log.
const SECRETS: [&str; 2] = ["Signature", "SecurityToken"];

/// An HTTP request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As it came, without `?`.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.trim())
    }

    /// The parameters of the query and of a form in the body.
    pub fn params(&self) -> Params {
        let mut all: BTreeMap<String, String> = decode_query(&self.query).into_iter().collect();
        let kind = self.header("content-type").unwrap_or_default();
        if kind.starts_with("application/x-www-form-urlencoded") {
            let body = String::from_utf8_lossy(&self.body);
            all.extend(decode_query(&body));
        }
        Params(all)
    }
}

/// The pairs of a query or a form, decoded.
pub fn decode_query(text: &str) -> Vec<(String, String)> {
    let pairs = form_urlencoded::parse(text.as_bytes());
    pairs
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .collect()
}

/// Encodes as the signatures want it.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// `k=v&…`, sorted by key and encoded.
pub(super) fn canonical_query<'p>(pairs: impl Iterator<Item = (&'p String, &'p String)>) -> String {
    let mut sorted: Vec<_> = pairs.collect();
    sorted.sort_unstable();
    let encoded = sorted
        .into_iter()
        .map(|(k, v)| format!("{}={}", encode(k), encode(v)));
    encoded.collect::<Vec<_>>().join("&")
}

/// Parameters by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Params(pub BTreeMap<String, String>);

impl Params {
    /// The value; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }

    /// `true` in any case of letters.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    /// The members of `name.1.…`, `name.2.…`, in the order of their numbers, without gaps
    /// in it. A plain `name.1` is the member's field of the empty name.
    pub fn list(&self, name: &str) -> Vec<Params> {
        let mut members: BTreeMap<u32, Params> = BTreeMap::new();
        for (key, value) in &self.0 {
            let rest = key.strip_prefix(name).and_then(|k| k.strip_prefix('.'));
            let Some(rest) = rest else {
                continue;
            };
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                let member = members.entry(number).or_default();
                member.0.insert(field.to_owned(), value.clone());
            }
        }
        members.into_values().collect()
    }

    /// Every value of a parameter, and of a field of that name in the members of any list.
    pub fn values_of<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        let named = move |key: &str| {
            let before = key.strip_suffix(name);
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        let values = self.0.iter().filter(move |(key, _)| named(key));
        values.map(|(_, value)| value.as_str())
    }

    /// What may be in a log.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        self.0.retain(|name, _| !SECRETS.contains(&name.as_str()));
        self
    }
}
