//! A node's ranges, as the allocator takes them.

use anyhow::{Context, Result};
use flatnet_ipam::{HostRange, Networks, Span};
use flatnet_plan::node::NodeNetwork;

/// Converts the ranges of a node for the allocator.
///
/// # Errors
/// A range has no address for containers, or two overlap.
pub fn networks(networks: &[NodeNetwork]) -> Result<Networks> {
    let ranges = networks
        .iter()
        .map(|network| {
            let ranges = network
                .ranges
                .iter()
                .map(|range| {
                    let exclude: Vec<Span> = range.exclude.iter().map(|e| Span::from(*e)).collect();
                    HostRange::new(
                        Span::from(range.prefix),
                        range.subnet,
                        Some(range.gateway),
                        &exclude,
                    )
                    .with_context(|| format!("network {}", network.name))
                })
                .collect::<Result<Vec<_>>>()?;
            Ok((network.name.clone(), ranges))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Networks::new(ranges)?)
}
