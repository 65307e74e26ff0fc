//! What a metrics gate asks of Prometheus, and what the answers say.
//!
//! ```text
//!   query:    sum(rate(errors_total{app="web"}[1m])) / sum(rate(requests_total{app="web"}[1m])) < 0.01
//!   measured: sum(rate(errors_total{app="web"}[1m])) / sum(rate(requests_total{app="web"}[1m]))
//!   samples:  sum(count_over_time(errors_total{app="web"}[1m])), sum(count_over_time(requests_total{app="web"}[1m]))
//! ```
//!
//! The comparison alone cannot tell "it does not hold" from "there is no data": both have no result. So what it compares is
//! asked as well, and how many samples there are; the selector that has most of them counts, since a series of errors that
//! nobody made has none.

use flatnet_platform_types::kinds::{Metrics, Verdict};
use promql_parser::parser::{Expr, parse};
use promql_parser::util::{ExprVisitor, walk_expr};
use thiserror::Error;

/// Why a text is no measure.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NoMeasure {
    /// PromQL cannot read it.
    #[error("it is no PromQL: {0}")]
    Syntax(String),
    /// Its outermost operation does not compare.
    #[error(
        "its outermost operation is no comparison that filters: write `MEASURE < LIMIT`, without `bool`, and a gate of its own \
         for each of several measures"
    )]
    NoComparison,
    /// It measures nothing.
    #[error("what it compares names no series")]
    NoSeries,
    /// A placeholder that nothing stands for.
    #[error(
        "there is no placeholder {{{{ .{0} }}}}: app, namespace, revision and stable are the ones"
    )]
    Placeholder(String),
}

/// What placeholders in a query stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'a> {
    /// `{{ .app }}`: the application.
    pub app: &'a str,
    /// `{{ .namespace }}`: its namespace, on the hub and in members.
    pub namespace: &'a str,
    /// `{{ .revision }}`: the revision that is released.
    pub revision: &'a str,
    /// `{{ .stable }}`: the revision that served before; empty for a first release.
    pub stable: &'a str,
}

/// The queries of a metrics gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// The comparison: it has a result while it holds.
    pub query: String,
    /// What is compared.
    pub measured: String,
    /// The comparison's operator and limit, for people: `< 0.01`.
    pub limit: String,
    /// How many samples there are of each selector.
    pub samples: Vec<String>,
}

/// What Prometheus answered to the queries of a [`Measure`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// How many results the comparison has.
    pub holding: usize,
    /// The results of what is compared.
    pub measured: Vec<f64>,
    /// The most samples that a selector has.
    pub samples: f64,
}

/// A query with its placeholders filled. Values stand in strings of PromQL, so quotes and backslashes are escaped.
///
/// # Errors
/// [`NoMeasure::Placeholder`].
fn filled(query: &str, names: Names<'_>) -> Result<String, NoMeasure> {
    let mut out = String::new();
    let mut rest = query;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inner, behind)) = after.split_once("}}") else {
            break;
        };
        let name = inner.trim().trim_start_matches('.');
        let value = match name {
            "app" => names.app,
            "namespace" => names.namespace,
            "revision" => names.revision,
            "stable" => names.stable,
            other => return Err(NoMeasure::Placeholder(other.to_owned())),
        };
        out.push_str(before);
        out.push_str(&value.replace('\\', r"\\").replace('"', "\\\""));
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

impl Measure {
    /// The queries of a gate.
    ///
    /// # Errors
    /// [`NoMeasure`].
    pub fn of(gate: &Metrics, names: Names<'_>) -> Result<Self, NoMeasure> {
        let query = filled(&gate.query, names)?;
        let parsed = parse(&query).map_err(NoMeasure::Syntax)?;
        let mut outermost = &parsed;
        while let Expr::Paren(inner) = outermost {
            outermost = &inner.expr;
        }
        let Expr::Binary(comparison) = outermost else {
            return Err(NoMeasure::NoComparison);
        };
        let filters = comparison.modifier.as_ref().is_none_or(|m| !m.return_bool);
        if !comparison.op.is_comparison_operator() || !filters {
            return Err(NoMeasure::NoComparison);
        }
        // `0.01 > MEASURE` says the same as `MEASURE < 0.01`.
        let (mut measured, mut limit) = (&comparison.lhs, &comparison.rhs);
        if matches!(**measured, Expr::NumberLiteral(_)) {
            std::mem::swap(&mut measured, &mut limit);
        }
        let mut selectors = Selectors::default();
        let Ok(_) = walk_expr(&mut selectors, measured);
        if selectors.0.is_empty() {
            return Err(NoMeasure::NoSeries);
        }
        Ok(Self {
            measured: measured.to_string(),
            limit: format!("{} {limit}", comparison.op),
            samples: selectors.0,
            query,
        })
    }
}

/// Queries of how many samples the selectors of an expression have.
#[derive(Default)]
struct Selectors(Vec<String>);

impl ExprVisitor for Selectors {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
        let query = match expr {
            Expr::MatrixSelector(_) => format!("sum(count_over_time({expr}))"),
            Expr::VectorSelector(_) => format!("count({expr})"),
            _ => return Ok(true),
        };
        if !self.0.contains(&query) {
            self.0.push(query);
        }
        Ok(true)
    }
}

/// What a gate says by Prometheus' answers, and why, for people.
pub fn judge(gate: &Metrics, measure: &Measure, answers: &Answers) -> (Verdict, String) {
    let limit = &measure.limit;
    if answers.samples < f64::from(gate.min_samples) {
        let why = format!(
            "{} of {} samples that it takes",
            answers.samples, gate.min_samples
        );
        return (Verdict::Unknown, why);
    }
    // Nothing divided by nothing is no number: there were no requests.
    let numbers: Vec<f64> = answers
        .measured
        .iter()
        .copied()
        .filter(|v| !v.is_nan())
        .collect();
    let told = |values: &[f64]| {
        let three: Vec<String> = values.iter().take(3).map(|v| format!("{v:.4}")).collect();
        three.join(", ")
    };
    if numbers.is_empty() {
        return (
            Verdict::Unknown,
            "it has no data, or is not a number".to_owned(),
        );
    }
    // Several series: all of them are to hold.
    match answers.holding >= numbers.len() {
        true => (Verdict::Pass, format!("{} ({limit})", told(&numbers))),
        false => (
            Verdict::Fail,
            format!("it is {}, and is to be {limit}", told(&numbers)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'_> = Names {
        app: "web",
        namespace: "shop",
        revision: "r2",
        stable: "r1",
    };

    fn gate(query: &str) -> Metrics {
        Metrics {
            query: query.to_owned(),
            min_samples: 10,
        }
    }

    fn measure(query: &str) -> Result<Measure, NoMeasure> {
        Measure::of(&gate(query), NAMES)
    }

    #[test]
    fn a_comparison_is_taken_apart() {
        let found = measure(
            r#"sum(rate(bad{rev="{{ .revision }}"}[1m])) / sum(rate(all{rev="{{.revision}}"}[1m])) < 0.01"#,
        )
        .expect("a measure");
        assert_eq!(
            found.measured,
            r#"sum(rate(bad{rev="r2"}[1m])) / sum(rate(all{rev="r2"}[1m]))"#
        );
        assert_eq!(found.limit, "< 0.01");
        let samples = [
            r#"sum(count_over_time(bad{rev="r2"}[1m]))"#,
            r#"sum(count_over_time(all{rev="r2"}[1m]))"#,
        ];
        assert_eq!(found.samples, samples);
        let turned = measure("5 > up").expect("a measure");
        assert_eq!(
            (turned.measured.as_str(), turned.samples),
            ("up", vec!["count(up)".to_owned()])
        );
        // Parentheses around the whole change nothing.
        assert_eq!(measure("((up < 5))").expect("a measure").measured, "up");
    }

    #[test]
    fn what_is_no_comparison_of_a_measure_is_refused_with_the_way_out() {
        for query in ["up", "up < bool 1", "up < 1 and down < 1", "sum(up)"] {
            assert_eq!(measure(query), Err(NoMeasure::NoComparison), "{query}");
        }
        assert_eq!(measure("vector(1) < 2"), Err(NoMeasure::NoSeries));
        assert!(matches!(measure("up <"), Err(NoMeasure::Syntax(_))));
        assert_eq!(
            measure("up{x=\"{{ .pod }}\"} < 1"),
            Err(NoMeasure::Placeholder("pod".to_owned()))
        );
    }

    #[test]
    fn no_data_is_no_verdict() {
        let gate = gate("up < 1");
        let measure = Measure::of(&gate, NAMES).expect("a measure");
        let verdict = |holding, measured: &[f64], samples| {
            let answers = Answers {
                holding,
                measured: measured.to_vec(),
                samples,
            };
            judge(&gate, &measure, &answers).0
        };
        assert_eq!(verdict(1, &[0.0], 10.0), Verdict::Pass);
        assert_eq!(verdict(0, &[2.0], 10.0), Verdict::Fail);
        assert_eq!(verdict(1, &[0.0, 2.0], 10.0), Verdict::Fail);
        assert_eq!(verdict(0, &[2.0], 9.0), Verdict::Unknown);
        assert_eq!(verdict(0, &[f64::NAN], 10.0), Verdict::Unknown);
        assert_eq!(verdict(0, &[], 10.0), Verdict::Unknown);
    }
}
