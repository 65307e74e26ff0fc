//! What can go wrong, what to do next, and the exit code that says so.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::encoding::NotText;

/// The exit codes. A script can tell "wrong" from "could not be read".
pub mod exit {
    /// Done, and nothing is wrong.
    pub const OK: u8 = 0;
    /// Done, and something is wrong: a plan with errors, a difference that was asked for.
    pub const FOUND: u8 = 1;
    /// Not done: the input cannot be read, or the call is wrong.
    pub const UNREADABLE: u8 = 2;
    /// Done, nothing wrong was found, and not everything could be looked at.
    pub const UNKNOWN: u8 = 2;
    /// Not done: a daemon does not answer, or refuses.
    pub const UNREACHABLE: u8 = 3;
}

/// Why a run failed.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum CliError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Path of the file, as it was given.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A directory is named where a file is wanted.
    #[error("{path} is a directory, and a plan is a file")]
    Directory {
        /// As it was named on the command line.
        path: PathBuf,
        /// Files in it that may be plans.
        plans: Vec<String>,
    },
    /// A file is no text in UTF-8.
    #[error("{path} is {what}")]
    NotText {
        path: PathBuf,
        /// What it is.
        what: NotText,
        /// Where its first wrong byte is, if it has one.
        #[source]
        source: Option<io::Error>,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Path of the file, as it was given.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The result cannot be printed.
    #[error("cannot print the result")]
    Print(#[source] io::Error),
    /// The file is no plan.
    #[error("{path} is not a plan that can be read")]
    NotAPlan {
        /// Path of the file, as it was given.
        path: PathBuf,
        /// Where and why.
        report: Box<flatnet_plan::Report>,
    },
    /// A program cannot be run.
    #[error("cannot run {path}", path = program.display())]
    Run {
        /// As it was named on the command line.
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    /// netd did not say what it needs.
    #[error("{path} did not say what it needs: {said}", path = program.display())]
    Preflight {
        /// As it was named on the command line.
        program: PathBuf,
        /// Its words.
        said: String,
    },
    /// The plan contradicts itself.
    #[error(transparent)]
    Routes(#[from] flatnet_plan::routes::RoutesError),
    /// The plan does not grow.
    #[error("{path} is left as it is")]
    Grow {
        /// Path of the plan's document.
        path: PathBuf,
        /// Why it cannot grow as asked.
        #[source]
        source: flatnet_plan::grow::GrowError,
    },
    /// The file was written by somebody else meanwhile.
    #[error("{path} has changed since it was read, and is left as it is")]
    Changed {
        /// Path of the file, as it was given.
        path: PathBuf,
    },
    /// A cluster's API server gave no answer, or refused.
    #[error(transparent)]
    Cluster(#[from] flatnet_k8s_client::ClusterError),
    /// The system gives no runtime.
    #[error("cannot begin to ask the API server")]
    Runtime(#[source] io::Error),
    /// There is no AddressSet of that name.
    #[error("there is no AddressSet {set} at {server}")]
    NoSet {
        /// `namespace/name`.
        set: String,
        /// The API server.
        server: String,
    },
    /// Two kubeconfigs lead to one cluster.
    #[error("two kubeconfigs lead to {server}")]
    SameCluster {
        /// The API server.
        server: String,
    },
    /// What a subscriber keeps cannot be read.
    #[error(transparent)]
    Subscriber(#[from] flatnet_subscriber::state::StateError),
    /// A cluster's objects are no plan.
    #[error("the objects of the cluster are not a plan: {first}")]
    NoPlanInCluster {
        /// The first error.
        first: String,
    },
    /// A plan has no form as objects.
    #[error("{path} cannot be written as objects")]
    NoObjects {
        path: PathBuf,
        #[source]
        source: flatnet_k8s_api::SplitError,
    },
    /// A daemon gave no answer, or refused.
    #[error(transparent)]
    Daemon(#[from] crate::daemon::DaemonError),
    /// The way to ipamd.
    #[error(transparent)]
    Access(#[from] flatnet_client::AccessError),
    /// A file is not what vpc-route tells of its tables.
    #[error("{path} is not what `vpc-route plan -o json` says")]
    NotTables {
        /// Path of the file, as it was given.
        path: PathBuf,
        /// The parser's error, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// There is no table of that name.
    #[error("there is no table {name:?}")]
    NoTable {
        /// What was looked for.
        name: String,
        /// Names that there are.
        known: Vec<String>,
    },
    /// There is no diagnostic of that code.
    #[error("no diagnostic has the code {code}")]
    UnknownCode {
        /// A diagnostic's code, `FN0403`.
        code: String,
    },
    /// An error is not to be allowed.
    #[error("{code} is an error, and only warnings can be allowed")]
    NotAllowable {
        /// A diagnostic's code, `FN0403`.
        code: &'static str,
    },
    /// The release platform's API refuses or does not answer.
    #[error(transparent)]
    Platform(#[from] flatnet_platform_client::Error),
    /// The session of a login cannot be read or kept.
    #[error(transparent)]
    Place(#[from] flatnet_platform_client::PlaceError),
    /// It is not known where the release platform is.
    #[error("it is not known where the release platform is")]
    NoServer,
    /// A login without a way to say who one is.
    #[error("a login says who you are by --name NAME or --token")]
    NoCredentials,
    /// A password or token was to be on standard input.
    #[error("there is no {what} on standard input")]
    NoSecret {
        /// `password` or `token`.
        what: &'static str,
    },
    /// A document is no YAML.
    #[error("{} is no YAML document", path.display())]
    Document {
        /// The file, or `-`.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_norway::Error,
    },
    /// A document lacks a field.
    #[error("{} has no `{key}`", path.display())]
    NoField {
        /// The file, or `-`.
        path: PathBuf,
        /// The field.
        key: &'static str,
    },
    /// An application's spec cannot be read.
    #[error("the spec in {} is none of an application", path.display())]
    Spec {
        /// The file, or `-`.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// An event of the API cannot be read.
    #[error("an event of the release platform cannot be read")]
    Event {
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A group of nodes that is written wrong.
    #[error("{text:?} is no group of nodes")]
    NoGroup {
        /// As it was given.
        text: String,
    },
    /// A value that is written wrong.
    #[error("{text:?} is no value: NAME=VALUE is wanted")]
    NoPair {
        /// As it was given.
        text: String,
    },
    /// A dangerous command was not confirmed by its object's name.
    #[error("--confirm names another cluster than {name}")]
    NotConfirmed {
        /// The object.
        name: String,
    },
    /// An application has no release yet.
    #[error("application {app} has no release")]
    NoRelease {
        /// `TEAM/NAME`.
        app: String,
    },
    /// The plan has nothing of that name.
    #[error("the plan has no {kind} {name:?}")]
    Unknown {
        /// What was looked for.
        kind: &'static str,
        /// The name that was looked for.
        name: String,
        /// Names that there are, the likeliest first.
        known: Vec<String>,
    },
}

impl CliError {
    /// The error and its causes, one line each; a cause that its effect quotes is left out.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.to_string()];
        let mut cause = self.source();
        while let Some(e) = cause {
            let text = e.to_string();
            if !lines.iter().any(|l| l.contains(&text)) {
                lines.push(text);
            }
            cause = e.source();
        }
        lines
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("check the path {}", path.display()))
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("check who may read the file".to_owned())
            }
            Self::Read { .. } => None,
            Self::Directory { plans, .. } if plans.is_empty() => {
                Some("name the plan's file; the directory has none that ends in .yaml".to_owned())
            }
            Self::Directory { plans, .. } => Some(format!("there is {}", shortened(plans))),
            Self::NotText { path, what, .. } => Some(encoding_hint(path, *what)),
            Self::Run { .. } => Some("name netd's program by --netd-program".to_owned()),
            Self::Preflight { .. } => Some(
                "flatctl and netd have to be of one version: `netd --version`, `flatctl --version`"
                    .to_owned(),
            ),
            Self::Write { .. } => Some("check that the directory exists and may be written".into()),
            Self::Print(_) => None,
            Self::NotAPlan { .. } => {
                Some("correct it; editors help with the schema that is shipped".to_owned())
            }
            Self::Cluster(e) => e.hint().map(str::to_owned),
            Self::NoPlanInCluster { .. } => {
                Some("`flatctl plan check --from-cluster` names every object and field".to_owned())
            }
            Self::NoObjects { .. } | Self::Runtime(_) => None,
            Self::NoSet { .. } => Some(
                "see what there is: `flatctl addresses list`; another namespace is named by -n"
                    .to_owned(),
            ),
            Self::SameCluster { .. } => Some("name each cluster once".to_owned()),
            Self::Subscriber(_) => Some("name another file: --state FILE".to_owned()),
            Self::Daemon(e) => e.hint(),
            Self::Access(_) => Some(
                "see --ipamd, --token-file, --ipamd-ca, --ipamd-cert and --ipamd-key in `flatctl range \
                 --help`"
                    .to_owned(),
            ),
            Self::Platform(e) => platform_hint(e),
            Self::Place(_) | Self::Document { .. } | Self::Event { .. } | Self::NoPair { .. } | Self::NoSecret { .. } => None,
            Self::NoServer => Some("log in: `flatctl login https://PLATFORM --name NAME`, or name it by --server".to_owned()),
            Self::NoCredentials => Some(
                "`flatctl login URL --name NAME` reads a password, `flatctl login URL --token` a token from standard input"
                    .to_owned(),
            ),
            Self::NoField { .. } | Self::Spec { .. } => {
                Some("a document has team, name and spec, as `flatctl app show TEAM/NAME -o yaml` prints it".to_owned())
            }
            Self::NoGroup { .. } => Some("write NAME:LABEL=VALUE, as in mixed:pool=mixed".to_owned()),
            Self::NotConfirmed { name } => Some(format!("`flatctl cluster lost {name} --confirm {name}`")),
            Self::NoRelease { app } => Some(format!("`flatctl release start {app} --digest sha256:…`")),
            Self::Grow { source, .. } => grow_hint(source),
            Self::Changed { .. } => Some("run the command again".to_owned()),
            Self::UnknownCode { .. } => {
                Some("`flatctl explain` without a code lists them".to_owned())
            }
            Self::NotAllowable { code } => Some(format!("`flatctl explain {code}` says what to do")),
            Self::Routes(_) => Some(
                "run `flatctl plan check` on the plan: it shows both lines and what to do".into(),
            ),
            Self::NotTables { .. } => {
                Some("save it anew: `vpc-route plan -o json > FILE`".to_owned())
            }
            Self::NoTable { known, .. } => Some(format!("there is {}", shortened(known))),
            Self::Unknown {
                kind: "host group",
                known,
                ..
            } if known.is_empty() => Some(
                "the plan writes its hosts out one by one: add a host by hand, or a group \
                 (docs/plan.md); `flatctl plan ranges --free` shows where its range can be"
                    .to_owned(),
            ),
            Self::Unknown { known, .. } if known.is_empty() => None,
            Self::Unknown { known, .. } => Some(format!("there is {}", shortened(known))),
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Daemon(_) | Self::Cluster(_) | Self::Platform(_) => exit::UNREACHABLE,
            Self::Read { .. }
            | Self::Directory { .. }
            | Self::NotText { .. }
            | Self::Run { .. }
            | Self::Preflight { .. }
            | Self::NotAPlan { .. }
            | Self::NotTables { .. }
            | Self::NoTable { .. }
            | Self::UnknownCode { .. }
            | Self::NotAllowable { .. }
            | Self::Grow { .. }
            | Self::Changed { .. }
            | Self::Access(_)
            | Self::Routes(_)
            | Self::NoPlanInCluster { .. }
            | Self::NoObjects { .. }
            | Self::NoSet { .. }
            | Self::SameCluster { .. }
            | Self::Subscriber(_)
            | Self::Runtime(_)
            | Self::Place(_)
            | Self::NoServer
            | Self::NoCredentials
            | Self::NoSecret { .. }
            | Self::Document { .. }
            | Self::NoField { .. }
            | Self::Spec { .. }
            | Self::Event { .. }
            | Self::NoGroup { .. }
            | Self::NoPair { .. }
            | Self::NotConfirmed { .. }
            | Self::NoRelease { .. }
            | Self::Unknown { .. }
            | Self::Write { .. }
            | Self::Print(_) => exit::UNREADABLE,
        }
    }

    /// Whether the reader of our output went away, as `head` does: nothing to complain of.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Print(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What the platform says to do, and what is wrong with single fields.
fn platform_hint(error: &flatnet_platform_client::Error) -> Option<String> {
    use flatnet_platform_client::Error as E;
    match error {
        E::Refused(problem) => {
            let fields = problem
                .fields
                .iter()
                .map(|f| format!("{}: {}", f.field, f.message));
            let lines: Vec<String> = problem.hint.iter().cloned().chain(fields).collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        }
        E::Away { .. } => Some("check --server, and that `platformd serve` runs there".to_owned()),
        E::Tls(_) | E::NoRoots(_) => {
            Some("name the authority of the server's certificate: --server-ca FILE".to_owned())
        }
        E::Url(_) | E::Plain(_) | E::Foreign { .. } => None,
    }
}

/// Some of many names.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 6;
    if names.len() <= SHOWN {
        return names.join(", ");
    }
    format!(
        "{} and {} more",
        names[..SHOWN].join(", "),
        names.len() - SHOWN
    )
}

/// How a file becomes a text in UTF-8.
fn encoding_hint(path: &Path, what: NotText) -> String {
    let path = match path.as_os_str().to_str() {
        Some("-") | None => String::new(),
        Some(path) => format!(" {path}"),
    };
    match what {
        NotText::Utf16 => format!("save it as UTF-8: `iconv -f UTF-16 -t UTF-8{path}`"),
        NotText::Binary => {
            "name the plan's YAML document; unpack it first if it is packed".to_owned()
        }
        NotText::Foreign => format!("save it as UTF-8: `iconv -f ISO-8859-1 -t UTF-8{path}`"),
    }
}

fn grow_hint(e: &flatnet_plan::grow::GrowError) -> Option<String> {
    use flatnet_plan::grow::GrowError as G;
    Some(match e {
        G::WouldBreak(_) => "the lines above are of the plan as it would be. Where a group runs \
                             into another one, add a new group that begins at a free address and a \
                             free range (`flatctl plan ranges --free` shows them); give a VLAN \
                             another name, ID or prefix"
            .to_owned(),
        G::InstanceIds { .. } => {
            "write the new instances' IDs into the group's instanceIds first".to_owned()
        }
        G::Broken(_) => {
            "correct the errors above: only a plan that would work is made larger".to_owned()
        }
        G::Form { .. } => "edit that line by hand, and run `flatctl plan check`".to_owned(),
        G::NoList { key, .. } => {
            format!("write `{key}: []` there, and run the command again: it takes the first item")
        }
        G::Shared { .. } => "write the value out in the place of the alias (`*…`), and run the \
                             command again"
            .to_owned(),
        G::Count(_) => "name how many hosts to add, at least 1".to_owned(),
        G::WouldMove { .. } => "this is a fault of flatctl: please report it with the plan".into(),
        G::Unreadable(_) | G::Unknown { .. } => return None,
    })
}
