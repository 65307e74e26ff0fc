//! Builds: a commit to an image.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Moment;

/// A commit built by a template's version. The same inputs have the same name, and there is no second build.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[kube(
    group = "platform.flatnet.io",
    version = "v1alpha1",
    kind = "Build",
    plural = "builds",
    namespaced,
    shortname = "fpbuild",
    category = "flatnet-platform",
    status = "BuildStatus",
    printcolumn(
        name = "App",
        type_ = "string",
        json_path = ".spec.app",
        description = "The application"
    ),
    printcolumn(
        name = "Commit",
        type_ = "string",
        json_path = ".spec.commit",
        description = "The commit"
    ),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "How far it is"
    ),
    printcolumn(
        name = "Digest",
        type_ = "string",
        json_path = ".status.digest",
        priority = 1,
        description = "The image"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct BuildSpec {
    /// The application, in the same namespace.
    pub app: String,
    /// The git repository, as the application had it.
    #[schemars(length(min = 1, max = 2048))]
    pub repo: String,
    /// The commit: 40 hexadecimal digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{40}$"))]
    pub commit: String,
    /// The template that it is built by.
    #[schemars(length(min = 1, max = 253))]
    pub template: String,
    /// The template's version.
    #[schemars(range(min = 1))]
    pub template_version: u32,
    /// The template's base image, by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
}

/// The namespace of all builds in the member that builds (deploy/platform/builds.yaml).
pub const BUILDS_NAMESPACE: &str = "flatnet-builds";
/// The label with a build's name, on its Job and pod there.
pub const BUILD_LABEL: &str = "platform.flatnet.io/build";
/// The label with the team's.
pub const TEAM_LABEL: &str = "platform.flatnet.io/team";
/// The containers of a build's pod, in the order in which they run. The second runs what the application says, and has
/// no secret.
pub const BUILD_CONTAINERS: [&str; 3] = ["source", "image", "push"];

/// Hexadecimal digits in a build's name.
const DIGITS: usize = 10;

impl BuildSpec {
    /// The name of the build of these inputs: `APP-` and ten hexadecimal digits.
    pub fn object_name(&self) -> String {
        let version = self.template_version.to_string();
        let base = self.base_image.as_deref().unwrap_or_default();
        let parts = [&self.repo, &self.commit, &self.template, &version, base];
        format!("{}-{}", self.app, crate::revision::digits(&parts, DIGITS))
    }
}

/// How far a build is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BuildStatus {
    /// How far it is.
    #[serde(default)]
    pub phase: BuildPhase,
    /// The image, once it is in the registry: `sha256:` and 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The cluster that builds it: its log is there for a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What is waited for, or why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Moment>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
}

/// How far a build is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum BuildPhase {
    /// Not begun.
    #[default]
    Pending,
    /// Its Job runs.
    Running,
    /// The image is in the registry.
    Done,
    /// It ended without an image.
    Failed,
}

impl BuildPhase {
    /// Whether it does not go on from there.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_inputs_have_the_same_name_and_any_other_another() {
        let one = BuildSpec {
            app: "web".to_owned(),
            repo: "https://git.example/shop/web".to_owned(),
            commit: "a".repeat(40),
            template: "plain".to_owned(),
            template_version: 1,
            base_image: None,
        };
        assert_eq!(one.object_name(), one.clone().object_name());
        assert_eq!(one.object_name().len(), "web-".len() + DIGITS);
        let changes: [fn(&mut BuildSpec); 5] = [
            |s| s.repo.push('2'),
            |s| s.commit = "b".repeat(40),
            |s| s.template.push('2'),
            |s| s.template_version = 2,
            |s| s.base_image = Some("registry/base@sha256:0".to_owned()),
        ];
        for change in changes {
            let mut other = one.clone();
            change(&mut other);
            assert_ne!(one.object_name(), other.object_name(), "{other:?}");
        }
    }
}
