//! Warnings that the plan's author knows of: they are counted and not told.

use super::{ALLOWANCE, ALLOWS_NOTHING, Finding, RAN_OUT, Severity, rule};
use crate::model::{Allowance, Day, NetworkPlan};
use crate::source::de::likeliest;
use crate::source::{Path, Step};

/// Where a finding is, by names: `sites.idc.switches.tor1.trunk[2]`. `spec` is left out; an
/// item without a name has its index.
pub(crate) fn named(path: &Path, plan: &NetworkPlan) -> String {
    let mut text = String::new();
    let mut list = "";
    let (mut site, mut table) = (None, None);
    for step in path.steps() {
        match step {
            Step::Key("spec") if text.is_empty() => {}
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
                list = key;
            }
            Step::Index(index) => {
                match name_of(plan, (site, table), list, *index) {
                    Some(name) => {
                        text.push('.');
                        text.push_str(&name);
                    }
                    None => {
                        text.push('[');
                        text.push_str(&index.to_string());
                        text.push(']');
                    }
                }
                match list {
                    "sites" => site = Some(*index),
                    "routeTables" => table = Some(*index),
                    _ => {}
                }
                list = "";
            }
        }
    }
    text
}

/// The name of an item of `list`; `site` and `table` are those that the list is in.
fn name_of(
    plan: &NetworkPlan,
    (site, table): (Option<usize>, Option<usize>),
    list: &str,
    index: usize,
) -> Option<String> {
    let spec = &plan.spec;
    let here = site.and_then(|s| spec.sites.get(s));
    Some(match list {
        "sites" => spec.sites.get(index)?.name.clone(),
        "networks" => spec.networks.get(index)?.name.to_string(),
        "hosts" => spec.hosts.get(index)?.name.to_string(),
        "hostGroups" => spec.host_groups.get(index)?.name.clone(),
        "links" => spec.links.get(index)?.name.clone(),
        "switches" => here?.switches.get(index)?.name.clone(),
        "vlans" => here?.vlans.get(index)?.name.clone(),
        // A table's list has names of vSwitches, and is in an order of its own.
        "vSwitches" if table.is_some() => {
            let table = here?.route_tables.get(table?)?;
            table.v_switches.get(index)?.clone()
        }
        "vSwitches" => here?.v_switches.get(index)?.name.clone(),
        "routeTables" => here?.route_tables.get(index)?.name.clone(),
        _ => return None,
    })
}

impl Allowance {
    /// Whether it is of this warning.
    fn covers(&self, code: &str, at: &str) -> bool {
        let here = self.at.as_deref().is_none_or(|place| {
            at.strip_prefix(place)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        self.code.eq_ignore_ascii_case(code) && here
    }

    /// What no allowance can be.
    pub(crate) fn fault(&self) -> Option<(&'static str, String)> {
        let code = &self.code;
        match rule(code) {
            None => {
                let codes = super::RULES.iter().map(|rule| rule.code);
                let meant = likeliest(code, codes)
                    .map_or_else(String::new, |known| format!("; did you mean {known}?"));
                let message = format!("no diagnostic has the code {code:?}{meant}");
                Some(("code", message))
            }
            Some(rule) if rule.severity == Severity::Error => {
                let message = format!("{code} is an error, and only warnings can be allowed");
                Some(("code", message))
            }
            Some(_) if self.reason.trim().is_empty() => {
                Some(("reason", format!("there is no reason to allow {code}")))
            }
            Some(_) => None,
        }
    }
}

/// Takes what is allowed out of `findings`, and adds what is to be said of the allowances
/// themselves; how many findings are allowed. Without a day every allowance is in force.
pub(crate) fn allow(findings: &mut Vec<Finding>, plan: &NetworkPlan, today: Option<Day>) -> usize {
    let allowances = &plan.spec.allow;
    if allowances.is_empty() {
        return 0;
    }
    let ran_out = |a: &Allowance| a.until.zip(today).is_some_and(|(until, day)| until < day);
    let mut used = vec![false; allowances.len()];
    let before = findings.len();
    findings.retain(|finding| {
        if finding.rule.severity == Severity::Error {
            return true;
        }
        let at = named(&finding.place, plan);
        let of = |(i, a): (usize, &Allowance)| {
            (!ran_out(a) && a.covers(finding.rule.code, &at)).then_some(i)
        };
        let by = allowances.iter().enumerate().find_map(of);
        if let Some(i) = by {
            used[i] = true;
        }
        by.is_none()
    });
    let allowed = before - findings.len();
    for (i, allowance) in allowances.iter().enumerate() {
        if allowance.fault().is_some() {
            continue;
        }
        let code = &allowance.code;
        let of = match &allowance.at {
            Some(at) => format!("{code} at {at}"),
            None => code.clone(),
        };
        let place = Path::spec().at("allow").at(i);
        let told = match allowance.until {
            Some(until) if ran_out(allowance) => {
                let message = format!("{of} was allowed until {until}: {}", allowance.reason);
                Some((&RAN_OUT, place.at("until"), message))
            }
            _ if !used[i] => match astray(findings, allowance) {
                Some(found) => {
                    let elsewhere = findings.remove(found);
                    findings.push(found_elsewhere(elsewhere, place.at("at"), &of, plan));
                    None
                }
                None => {
                    let message = format!("{of} is allowed, and is not found");
                    Some((&ALLOWS_NOTHING, place, message))
                }
            },
            _ => None,
        };
        findings.extend(told.map(|(rule, place, message)| Finding {
            rule,
            place,
            message,
            help: rule.help.to_owned(),
            related: None,
        }));
    }
    allowed
}

/// The only warning of an allowance's code, which is at another place than it allows: one mistake, of
/// which one thing is told.
fn astray(findings: &[Finding], allowance: &Allowance) -> Option<usize> {
    allowance.at.as_ref()?;
    let of_code = |f: &Finding| {
        let code = f.rule.code.eq_ignore_ascii_case(&allowance.code);
        code && f.rule.severity == Severity::Warning
    };
    let mut found = findings.iter().enumerate().filter(|(_, f)| of_code(f));
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Some(index),
        _ => None,
    }
}

/// What is said of both: the warning, and the place that allows it elsewhere.
fn found_elsewhere(warning: Finding, place: Path, of: &str, plan: &NetworkPlan) -> Finding {
    let at = named(&warning.place, plan);
    Finding {
        rule: &ALLOWS_NOTHING,
        place,
        message: format!("{of} is allowed, and is found at {at}: {}", warning.message),
        help: format!("Write `at: {at}` if that is what is accepted; or see to it."),
        related: Some((warning.place, "found here".to_owned())),
    }
}

/// Allowances that none can be.
pub(crate) fn faults(plan: &NetworkPlan) -> Vec<Finding> {
    let all = plan.spec.allow.iter().enumerate();
    all.filter_map(|(i, allowance)| {
        let (field, message) = allowance.fault()?;
        Some(Finding {
            rule: &ALLOWANCE,
            place: Path::spec().at("allow").at(i).at(field),
            message,
            help: ALLOWANCE.help.to_owned(),
            related: None,
        })
    })
    .collect()
}
