//! The hub's objects as they were seen last. Pure.

use std::cmp::Ordering;

use flatnet_platform_types::kinds::{App, Cluster, Release, Template};
use kube::ResourceExt;

use crate::{Cache, Key, Told};

/// What was seen of the hub.
#[derive(Debug, Default)]
pub struct Hub {
    /// Applications.
    pub apps: Cache<App>,
    /// Releases.
    pub releases: Cache<Release>,
    /// Member clusters.
    pub clusters: Cache<Cluster>,
    /// Templates.
    pub templates: Cache<Template>,
}

/// One thing that the hub tells.
#[derive(Debug)]
pub enum HubTold {
    /// Applications.
    Apps(Told<App>),
    /// Releases.
    Releases(Told<Release>),
    /// Member clusters.
    Clusters(Told<Cluster>),
    /// Templates.
    Templates(Told<Template>),
}

impl Hub {
    /// Whether everything has been listed.
    pub fn is_complete(&self) -> bool {
        self.apps.is_listed()
            && self.releases.is_listed()
            && self.clusters.is_listed()
            && self.templates.is_listed()
    }

    /// An application's releases, the latest first.
    pub fn releases_of(&self, app: &Key) -> Vec<&Release> {
        let of_app = |r: &&Release| {
            r.spec.app == app.name && r.namespace().as_deref() == Some(app.namespace.as_str())
        };
        let mut releases: Vec<&Release> = self.releases.iter().filter(of_app).collect();
        releases.sort_by(|a, b| later(b, a));
        releases
    }
}

/// By creation, then by name, in which numbers count as numbers: `web-10` is later than `web-9`.
fn later(a: &Release, b: &Release) -> Ordering {
    let when = |r: &Release| r.metadata.creation_timestamp.as_ref().map(|t| t.0);
    let name = |r: &Release| {
        let name = r.name_any();
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (stem, number) = name.split_at(name.len() - digits);
        (stem.to_owned(), number.parse::<u64>().unwrap_or(0))
    };
    (when(a), name(a)).cmp(&(when(b), name(b)))
}

#[cfg(test)]
mod tests {
    use flatnet_platform_types::kinds::ReleaseSpec;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_latest_release_is_by_creation_and_then_by_number() {
        let release = |name: &str, at: &str| -> Release {
            let spec: ReleaseSpec =
                serde_json::from_value(json!({"app": "web", "digest": "sha256:0"}))
                    .expect("a spec");
            let mut release = Release::new(name, spec);
            release.metadata.namespace = Some("shop".to_owned());
            release.metadata.creation_timestamp =
                serde_json::from_value(json!(at)).expect("a time");
            release
        };
        let mut hub = Hub::default();
        let all = vec![
            release("web-10", "2026-01-01T00:00:00Z"),
            release("web-9", "2026-01-01T00:00:00Z"),
            release("aaa", "2026-01-02T00:00:00Z"),
        ];
        hub.releases.told(Told::Listed(all, "1".to_owned()));
        let names: Vec<String> = hub
            .releases_of(&Key::new("shop", "web"))
            .iter()
            .map(|r| r.name_any())
            .collect();
        assert_eq!(names, ["aaa", "web-10", "web-9"]);
    }
}
