//! A plan as it was read, and its check.

use std::path::{Path, PathBuf};

use flatnet_plan::NetworkPlan;

use crate::Refusal;

/// A plan as it was read, before its check.
pub(crate) trait Document {
    /// Its text, of which the version is the digest.
    fn text(&self) -> &str;

    /// What it is called in messages.
    fn place(&self) -> PathBuf;

    /// Whether the text is the whole of it. Where it is not, it is no version of a plan, whatever the text
    /// is, and [`Document::plan`] says why.
    fn is_whole(&self) -> bool {
        true
    }

    /// The whole check.
    ///
    /// # Errors
    /// [`Refusal`] with all diagnostics.
    fn plan(&self) -> Result<NetworkPlan, Refusal>;
}

/// A file's text: the plan's own, or that of the accepted copy.
pub(crate) struct FileText {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Document for FileText {
    fn text(&self) -> &str {
        &self.text
    }

    fn place(&self) -> PathBuf {
        self.path.clone()
    }

    fn plan(&self) -> Result<NetworkPlan, Refusal> {
        parse(&self.path, &self.text)
    }
}

/// The plan in a file's text.
///
/// # Errors
/// [`Refusal::Load`].
pub(crate) fn parse(path: &Path, text: &str) -> Result<NetworkPlan, Refusal> {
    Ok(flatnet_plan::load_named(text, &path.display().to_string())?)
}
