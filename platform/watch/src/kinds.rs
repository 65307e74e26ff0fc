//! The hub's kinds in caches.

use flatnet_platform_types::kinds::{App, Build, Cluster, Grant, LocationClaim, Release, Template};
use kube::ResourceExt;

use crate::cache::{Key, Seen};

macro_rules! seen {
    ($($kind:ty),*) => {
        $(impl Seen for $kind {
            fn key(&self) -> Key {
                Key {
                    namespace: self.namespace().unwrap_or_default(),
                    name: self.name_any(),
                }
            }

            fn version(&self) -> &str {
                self.metadata.resource_version.as_deref().unwrap_or("")
            }
        })*
    };
}

seen!(App, Build, Cluster, Grant, LocationClaim, Release, Template);
