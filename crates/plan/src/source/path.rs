//! The way to a value in the document.

use std::fmt;

/// The way to a value in the document, such as `spec.hosts[3].ranges[0].prefix`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

/// One step of a [`Path`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Into a mapping.
    Key(&'static str),
    /// Into a list.
    Index(usize),
}

impl From<&'static str> for Step {
    fn from(key: &'static str) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Path {
    /// `spec`.
    pub fn spec() -> Self {
        Self::default().at("spec")
    }

    /// This path and one step more.
    #[must_use]
    pub fn at(mut self, step: impl Into<Step>) -> Self {
        self.0.push(step.into());
        self
    }

    /// The way to what holds it: its first `steps` steps.
    #[must_use]
    pub(crate) fn first(&self, steps: usize) -> Self {
        Self(self.0.iter().take(steps).copied().collect())
    }

    /// The steps from the document's root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if i == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
