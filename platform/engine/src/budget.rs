//! How many instances may be taken out of service.

use std::collections::BTreeMap;

use flatnet_platform_types::kinds::AppSpec;

use crate::view::{Reach, View};

/// How many instances may be taken out of service now, in all and for each location. Whatever lowers takes from it.
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    total: u32,
    locations: BTreeMap<&'a str, u32>,
}

impl<'a> Budget<'a> {
    /// What is in service above what must be. A cluster that is dark or not fenced counts as absent; in an emergency it
    /// counts as it was seen last, but with no more than its share.
    ///
    /// `promised`: whether a release of the application was ever finished. Before that nobody relies on it.
    pub(crate) fn of(app: &AppSpec, view: &View<'a>, emergency: bool, promised: bool) -> Self {
        let whole = view.sum(|c| c.target);
        let allowed = app.release.max_unavailable.of(whole);
        let mut firm: BTreeMap<&str, u32> = BTreeMap::new();
        let mut target: BTreeMap<&str, u32> = BTreeMap::new();
        for cell in &view.cells {
            let counted = match cell.reach {
                Reach::Clear => cell.firm(),
                Reach::Dark if emergency => cell.firm().min(cell.target),
                _ => 0,
            };
            *firm.entry(cell.location).or_default() += counted;
            *target.entry(cell.location).or_default() += cell.target;
        }
        let bound = |location: &str, target: u32| {
            let mut wishes = app.placement.locations.iter();
            let min = wishes.find(|w| w.name == location).and_then(|w| w.min);
            min.map_or(target.saturating_sub(allowed), |min| min.min(target))
        };
        let least = |n: u32| if promised { n } else { 0 };
        let total: u32 = firm.values().sum();
        let locations = firm.iter().map(|(location, firm)| {
            let bound = bound(location, target.get(location).copied().unwrap_or(0));
            (*location, firm.saturating_sub(least(bound)))
        });
        Self {
            total: total.saturating_sub(least(whole.saturating_sub(allowed))),
            locations: locations.collect(),
        }
    }

    /// Takes one of a location, if that may be.
    pub(crate) fn take(&mut self, location: &str) -> bool {
        let Some(left) = self.locations.get_mut(location) else {
            return false;
        };
        if self.total == 0 || *left == 0 {
            return false;
        }
        self.total -= 1;
        *left -= 1;
        true
    }
}
