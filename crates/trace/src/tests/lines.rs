//! A leased line, one thing wrong at a time.

use super::healthy::{plan, tables};
use crate::hop::{Check, Verdict};
use crate::line::{LineCheck, check};
use crate::observed::Fact;
use crate::tables::{Kind, Tables};

fn checked(change: impl FnOnce(&mut Tables)) -> LineCheck {
    let plan = plan();
    let mut tables = tables(&plan);
    change(&mut tables);
    check(&plan, &plan.spec.links[0], &Fact::Known(tables))
}

#[test]
fn a_line_that_is_well_has_all_four_tables_both_ways() {
    let found = checked(|_| {});
    assert_eq!(found.first_fault(), None);
    let parts: Vec<(&str, &str)> = found
        .parts
        .iter()
        .map(|p| (p.table.as_str(), p.direction))
        .collect();
    assert_eq!(
        parts,
        [
            ("line line1 at edge", "its own end"),
            ("edge router edge in idc", "to the VPC"),
            ("VBR of line line1 in vpc", "to the VPC"),
            ("route table main in vpc", "to the IDC"),
            ("VBR of line line1 in vpc", "to the IDC"),
        ]
    );
    assert!(found.parts.iter().all(|p| !p.hops.is_empty()));
}

#[test]
fn every_entry_that_is_gone_is_named_with_its_table_and_its_direction() {
    let whole = tables(&plan());
    let mut tried = 0;
    for (t, table) in whole.tables.iter().enumerate() {
        for e in 0..table.entries.len() {
            let entry = &table.entries[e];
            if entry.owner.is_none() {
                continue;
            }
            let found = checked(|tables| {
                tables.tables[t].entries.remove(e);
            });
            let by_instance = entry.next_hops.iter().any(|h| h.kind == "Instance");
            let fault = found.first_fault();
            if by_instance {
                // The VPC's own, and no matter of the line's.
                assert_eq!(fault, None);
                continue;
            }
            let fault = fault.expect("a fault");
            assert_eq!((fault.verdict, &fault.at), (Verdict::Wrong, &table.title));
            assert!(fault.found.starts_with(&entry.destination.to_string()));
            let repair = fault.repair.as_ref().expect("a command");
            assert!(repair.command.starts_with("vpc-route apply --config /"));
            tried += 1;
        }
    }
    assert!(tried >= 8, "{tried}");
}

#[test]
fn a_line_whose_end_is_down_and_a_table_that_is_not_known() {
    let down = checked(|tables| {
        for table in &mut tables.tables {
            let transfer = |p: &str| p.contains("255");
            table
                .entries
                .retain(|e| e.owner.is_some() || !transfer(&e.destination.to_string()));
        }
    });
    let fault = down.first_fault().expect("a fault");
    assert_eq!((fault.check, fault.verdict), (Check::Line, Verdict::Wrong));
    let command = &fault.repair.as_ref().expect("a command").command;
    assert!(command.contains("address show to 10.255.0.1"), "{command}");

    let refused = checked(|tables| {
        let mut all = tables.tables.iter_mut();
        let vbr = all.find(|t| t.kind == Some(Kind::Vbr)).expect("a VBR");
        vbr.error = Some("no credentials".to_owned());
    });
    let fault = refused.first_fault().expect("a fault");
    assert_eq!((fault.check, fault.verdict), (Check::Vbr, Verdict::Unknown));
    assert_eq!(fault.why.as_deref(), Some("no credentials"));
}
