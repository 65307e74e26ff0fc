//! Builds: a commit to an image, by a Job in one of the members.
//!
//! ```text
//!   hub: Build ─ listed, watched ─▶ [work] ─▶ Secret (push, this application's images alone), Job ([job]) ─▶ member
//!     status ◀─ [outcome] ◀─ the Job's pod, looked at each second while it runs
//! ```
//!
//! Nothing is remembered beside the objects: Secret and Job have the build's name, and a controller that is killed is
//! followed by one that finds them. At rest nothing is asked and nothing written.

pub(crate) mod job;
pub(crate) mod outcome;
mod settings;
mod work;

pub use settings::BuildArgs;
pub(crate) use settings::Builds;
pub(crate) use work::run;
