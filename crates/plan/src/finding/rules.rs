//! Every kind of finding: its code, which never changes its meaning, and its words.

use super::Severity;

/// Declares the rules of a part and the list of them.
macro_rules! rules {
    ($list:ident; $($name:ident $code:literal $severity:ident $title:literal
        why $why:literal
        help $help:literal
        example $example:literal;)*) => {
        $(
            #[doc = $title]
            pub(crate) static $name: Rule = Rule {
                code: $code,
                severity: Severity::$severity,
                title: $title,
                why: $why,
                help: $help,
                example: $example,
            };
        )*

        /// The part's rules, by their codes.
        pub(crate) const $list: &[&Rule] = &[$(&$name),*];
    };
}

mod addresses;
mod document;
mod fullness;
mod layer2;
mod routes;

pub(crate) use addresses::*;
pub(crate) use document::*;
pub(crate) use fullness::*;
pub(crate) use layer2::*;
pub(crate) use routes::*;

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable code: `FN`, two digits for the part, two for the rule.
    pub code: &'static str,
    /// Its severity.
    pub severity: Severity,
    /// What it is about, in a line.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do, in general.
    pub help: &'static str,
    /// What it looks like.
    pub example: &'static str,
}

/// The rule of a code, whatever its case.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES
        .iter()
        .copied()
        .find(|r| r.code.eq_ignore_ascii_case(code))
}

const PARTS: [&[&Rule]; 5] = [
    document::DOCUMENT,
    addresses::ADDRESSES,
    layer2::LAYER2,
    fullness::FULLNESS,
    routes::ROUTES,
];

const COUNT: usize = {
    let (mut count, mut part) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};

/// Every rule, by its code.
pub static RULES: &[&Rule] = &{
    let mut all = [PARTS[0][0]; COUNT];
    let (mut next, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut i = 0;
        while i < PARTS[part].len() {
            all[next] = PARTS[part][i];
            next += 1;
            i += 1;
        }
        part += 1;
    }
    all
};
