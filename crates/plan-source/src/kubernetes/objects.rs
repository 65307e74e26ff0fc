//! The objects as a document.

use std::path::PathBuf;

use flatnet_k8s_api::Joined;
use flatnet_plan::{NetworkPlan, diagnose};

use crate::document::Document;
use crate::{Refusal, Version};

/// What the document is called.
const NAME: &str = "the cluster's objects";

/// All objects of an API server.
pub(super) struct Objects {
    pub(super) server: String,
    pub(super) joined: Joined,
    /// The revisions that ipamd has accepted, where only these count.
    pub(super) in_force: Option<Vec<String>>,
}

impl Document for Objects {
    fn text(&self) -> &str {
        &self.joined.text
    }

    fn place(&self) -> PathBuf {
        format!("of {}", self.server).into()
    }

    /// An object that has no place in the document is an error that its text does not show.
    fn is_whole(&self) -> bool {
        self.joined.misplaced.is_empty()
    }

    fn plan(&self) -> Result<NetworkPlan, Refusal> {
        let text = &self.joined.text;
        if self.is_whole()
            && let Ok(plan) = flatnet_plan::load_named(text, NAME)
        {
            let version = Version::of(text);
            return match &self.in_force {
                Some(accepted) if !accepted.contains(&version.to_string()) => {
                    Err(Refusal::NotInForce {
                        revision: version.short(),
                    })
                }
                _ => Ok(plan),
            };
        }
        Err(Refusal::Objects(self.joined.blame(&diagnose(text, NAME))))
    }
}
