//! `flatctl plan routes`.

use flatnet_plan::routes::{Entry, Table as RouteTable, routes};

use crate::CliError;
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table, counted};
use crate::source::Source;

pub(super) fn run(
    source: &Source,
    name: Option<&str>,
    proof: bool,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let mut found = routes(&source.plans(output)?.whole)?;
    super::ranges::known(
        "table or site",
        name,
        found.iter().flat_map(|t| [t.name.as_str(), &t.site]),
    )?;
    if let Some(name) = name {
        found.retain(|t| t.name == name || t.site == name);
    }
    let fits = found.iter().all(RouteTable::fits);
    output.show(&found, |tables| {
        let mut shown = Vec::new();
        for t in tables {
            shown.push(entries(t));
            if proof {
                let joined = t.entries.iter().filter(|e| needs_proof(e));
                shown.extend(joined.map(proof_of));
            }
        }
        shown
    })?;
    Ok(if fits { exit::OK } else { exit::FOUND })
}

fn entries(t: &RouteTable) -> Table {
    let mut title = t.title();
    if let Some(id) = &t.id {
        title = format!("{title} ({id})");
    }
    let mut table = Table::new([
        Column::text("DESTINATION"),
        Column::text("NEXT HOP").flexible(),
        Column::number("FOR"),
        Column::text("WHAT").flexible(),
    ])
    .title(title)
    .or_empty("nothing");
    for e in &t.entries {
        table.row([
            e.prefix.into(),
            (&e.next_hop).into(),
            e.covers.len().into(),
            e.why.as_str().into(),
        ]);
    }
    let count = t.entries.len();
    let saved = if count < t.wanted {
        format!(", {} without aggregation", t.wanted)
    } else {
        String::new()
    };
    let quota = match t.quota {
        Some(q) if t.fits() => format!(" of {q}"),
        Some(q) => format!(" of {q}: {} TOO MANY", count - q as usize),
        None => String::new(),
    };
    table.note(format!("{}{quota}{saved}", counted(count, "entry")));
    if t.covers_unallocated {
        table.note("some cover free space, because exact ones do not fit the quota");
    }
    table
}

/// An entry that is exactly what is wanted proves itself.
fn needs_proof(e: &Entry) -> bool {
    e.covers.len() > 1 || !e.also.is_empty()
}

fn proof_of(e: &Entry) -> Table {
    let mut table = Table::new([Column::text("PART"), Column::text("WHAT").flexible()])
        .title(format!("{} → {} covers", e.prefix, e.next_hop));
    for c in &e.covers {
        table.row([c.prefix.into(), (&c.what).into()]);
    }
    for gap in &e.also {
        let free: Vec<String> = gap.free.iter().map(ToString::to_string).collect();
        table.row([
            format!("{}-{}", gap.first, gap.last).into(),
            Cell::styled(format!("nobody's, in {}", free.join(", ")), Style::Warn),
        ]);
    }
    table.note("and nothing else");
    table
}
