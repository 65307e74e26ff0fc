//! The ranges of one host, by network.

use std::collections::BTreeMap;

use flatnet_types::NetworkName;

use super::{HostRange, NetworkRange, RangeError, Span};

/// The ranges of one host by the plan's networks.
///
/// # Guarantees
/// - No address is in two ranges, of one network or of two: addresses are routable, so two
///   networks cannot share one either.
/// - What the subnet or the gateway of any range reserves is withheld from all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(BTreeMap<NetworkName, Vec<HostRange>>);

impl Networks {
    /// Checks the ranges against each other. Their order inside a network is the order in
    /// which they are filled.
    ///
    /// # Errors
    /// [`RangeError::Overlap`] names both ranges; [`RangeError::DuplicateNetwork`].
    pub fn new(
        networks: impl IntoIterator<Item = (NetworkName, Vec<HostRange>)>,
    ) -> Result<Self, RangeError> {
        let mut by_name = BTreeMap::new();
        for (name, ranges) in networks {
            if by_name.insert(name.clone(), ranges).is_some() {
                return Err(RangeError::DuplicateNetwork { network: name });
            }
        }
        no_overlap(&by_name)?;
        let reserved: Vec<_> = by_name
            .values()
            .flatten()
            .flat_map(HostRange::reserved)
            .collect();
        for range in by_name.values_mut().flatten() {
            for &(ip, why) in &reserved {
                if range.is_usable(ip) {
                    range.withhold(Span::from(ip), why);
                }
            }
        }
        Ok(Self(by_name))
    }

    /// The networks' names with their ranges, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&NetworkName, &[HostRange])> {
        self.0
            .iter()
            .map(|(name, ranges)| (name, ranges.as_slice()))
    }
}

/// Checks neighbours only: of ranges sorted by first address, one that overlaps any later range
/// overlaps the next one too.
fn no_overlap(by_name: &BTreeMap<NetworkName, Vec<HostRange>>) -> Result<(), RangeError> {
    let mut spans: Vec<(Span, &NetworkName)> = by_name
        .iter()
        .flat_map(|(name, ranges)| ranges.iter().map(move |range| (range.span(), name)))
        .collect();
    spans.sort();
    for pair in spans.windows(2) {
        let [(first, first_network), (second, second_network)] = pair else {
            continue;
        };
        if first.overlaps(*second) {
            let named = |range: &Span, network: &NetworkName| {
                Box::new(NetworkRange {
                    network: network.clone(),
                    range: *range,
                })
            };
            return Err(RangeError::Overlap {
                first: named(first, first_network),
                second: named(second, second_network),
            });
        }
    }
    Ok(())
}
