//! The commands on the release platform, as they are written.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueHint};

/// Where the platform's API is, for commands that do not go by the last login.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerArgs {
    /// The API's URL; none: that of the last `flatctl login`
    #[arg(long, value_name = "URL", global = true, env = "FLATNET_PLATFORM")]
    pub server: Option<String>,
    /// The authority of its certificate (PEM); none: this machine's authorities
    #[arg(long, value_name = "FILE", global = true, env = "FLATNET_PLATFORM_CA", value_hint = ValueHint::FilePath)]
    pub server_ca: Option<PathBuf>,
    /// The file with a token, such as a service account's; none: the session of the last `flatctl login`
    #[arg(long, value_name = "FILE", global = true, env = "FLATNET_PLATFORM_TOKEN_FILE", value_hint = ValueHint::FilePath)]
    pub platform_token_file: Option<PathBuf>,
}

/// The commands on the release platform.
#[derive(Debug, Subcommand)]
pub enum PlatformCommand {
    /// Log in to the release platform's API
    #[command(
        after_help = "The session is kept in $XDG_CONFIG_HOME/flatnet/platform.json (~/.config), for you alone."
    )]
    Login(LoginArgs),
    /// Tell who you are to the release platform
    Whoami {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
    },
    /// Member clusters: what is free in them; add, drain and remove them
    Cluster {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
        /// What to do
        #[command(subcommand)]
        command: ClusterCommand,
    },
    /// Templates: how a kind of component is built and run
    Template {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
        /// What to do
        #[command(subcommand)]
        command: TemplateCommand,
    },
    /// Applications: find, show, make and change them; their instances
    App {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
        /// What to do
        #[command(subcommand)]
        command: AppCommand,
    },
    /// Build a commit by the application's template, and show its log; without --commit, list builds
    #[command(
        after_help = "Exits with 0 if the image is in the registry, with 1 if there is none."
    )]
    Build {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
        /// Of what
        #[command(flatten)]
        args: BuildArgs,
    },
    /// Releases: start, watch, promote, pause, resume and abort them
    Release {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
        /// What to do
        #[command(subcommand)]
        command: ReleaseCommand,
    },
    /// Go back, to what served before, to a release or to a digest: parked instances first, without a build
    Rollback {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
        /// To what
        #[command(flatten)]
        args: RollbackArgs,
    },
    /// Change how many instances an application has, at once
    #[command(after_help = "Exits with 0 if all have room, with 1 if some wait for it.")]
    Scale {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
        /// To how many
        #[command(flatten)]
        args: ScaleArgs,
    },
    /// Say where an application's instances would go, and what is short: a dry run
    #[command(after_help = "Exits with 0 if all have room, with 1 if not.")]
    Place {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
        /// Of what
        #[command(flatten)]
        args: PlaceArgs,
    },
    /// Requests of applications for locations, and their answers
    Claim {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
        /// What to do
        #[command(subcommand)]
        command: ClaimCommand,
    },
    /// Who changed what on the release platform
    Audit {
        /// Where the API is
        #[command(flatten)]
        at: ServerArgs,
        /// Which changes
        #[command(flatten)]
        args: AuditArgs,
    },
}

/// An application: `TEAM/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppName {
    /// The team.
    pub team: String,
    /// The application.
    pub app: String,
}

impl FromStr for AppName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((team, app)) if !team.is_empty() && !app.is_empty() && !app.contains('/') => {
                Ok(Self {
                    team: team.to_owned(),
                    app: app.to_owned(),
                })
            }
            _ => Err("an application is written TEAM/NAME, as in shop/web".to_owned()),
        }
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.team, self.app)
    }
}

/// `flatctl login`.
#[derive(Debug, Clone, Args)]
pub struct LoginArgs {
    /// The API's URL
    #[arg(value_name = "URL")]
    pub url: String,
    /// The authority of its certificate (PEM); none: this machine's authorities
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
    /// A local account; its password is read from standard input
    #[arg(long, value_name = "NAME", conflicts_with = "token")]
    pub name: Option<String>,
    /// Read a token from standard input: an OIDC provider's, or a service account's
    #[arg(long)]
    pub token: bool,
}

/// The commands on clusters.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// List clusters: whether they answer, and what is free in each group
    List,
    /// Show a cluster
    Show {
        /// Its name
        cluster: String,
    },
    /// Add a cluster; its credentials are tried first
    Add {
        /// Its name
        cluster: String,
        /// Its location, by the name that placements use
        #[arg(long)]
        location: String,
        /// A kubeconfig with its credentials in it: `kubectl config view --raw --flatten --minify`
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "token_file")]
        kubeconfig: Option<PathBuf>,
        /// A file with a token, instead of a kubeconfig
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires_all = ["ca_file", "endpoint"], conflicts_with = "kubeconfig")]
        token_file: Option<PathBuf>,
        /// The authority of its API server's certificate (PEM), beside a token
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        ca_file: Option<PathBuf>,
        /// The URL of its API server, beside a token
        #[arg(long, value_name = "URL")]
        endpoint: Option<String>,
        /// A group of nodes: NAME:LABEL=VALUE,LABEL=VALUE (may be repeated)
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Place no new instances in a cluster; the applications' next releases move theirs away
    Drain {
        /// Its name
        cluster: String,
        /// Take a drain, or a loss, back
        #[arg(long)]
        cancel: bool,
    },
    /// Declare a cluster gone for good: an emergency; its instances are raised elsewhere
    Lost {
        /// Its name
        cluster: String,
        /// Its name once more: this is not a try
        #[arg(long, value_name = "CLUSTER", required = true)]
        confirm: String,
    },
    /// Make a user and a password with which a cluster's nodes pull images; shown once
    RegistryPassword {
        /// Its name
        cluster: String,
    },
    /// Remove a cluster without instances, or one that is lost
    Remove {
        /// Its name
        cluster: String,
    },
}

/// The commands on templates.
#[derive(Debug, Subcommand)]
pub enum TemplateCommand {
    /// List templates and their versions
    List,
    /// Make a version of a template from a YAML document of its spec
    Add {
        /// The file; -: standard input
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

/// The commands on applications.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// List applications; WORDS all occur in the team, name, repository, template, location or phase
    List {
        /// Words to look for
        words: Vec<String>,
        /// Only this team's
        #[arg(long)]
        team: Option<String>,
    },
    /// Show an application
    Show {
        /// TEAM/NAME
        app: AppName,
    },
    /// List its instances, as the clusters say now
    #[command(after_help = "Exits with 1 if a cluster does not say.")]
    Instances {
        /// TEAM/NAME
        app: AppName,
    },
    /// Make or change an application from a YAML document with team, name and spec
    Apply {
        /// The file; -: standard input
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove an application without instances
    Remove {
        /// TEAM/NAME
        app: AppName,
    },
}

/// The commands on releases.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// Start a release of an image
    Start {
        /// TEAM/NAME
        app: AppName,
        /// The image: sha256: and 64 hexadecimal digits
        #[arg(long, value_name = "DIGEST")]
        digest: String,
        /// A value of the template, instead of the application's: NAME=VALUE (may be repeated)
        #[arg(long = "set", value_name = "NAME=VALUE")]
        values: Vec<String>,
        /// Watch it
        #[arg(long)]
        watch: bool,
        /// What makes this request one: sent again with the same key it starts nothing new
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Watch a release until its instances serve, or it comes to another end
    #[command(
        after_help = "Exits with 0 if all new instances serve, with 1 if it was aborted, failed, paused or superseded."
    )]
    Watch {
        /// TEAM/NAME
        app: AppName,
        /// The release; none: the one that acts
        release: Option<String>,
    },
    /// Pass the human gates of a step, and end its bake
    Promote {
        /// TEAM/NAME
        app: AppName,
        /// The release; none: the one that acts
        release: Option<String>,
        /// The step, from 1; none: the one that it is in
        #[arg(long)]
        step: Option<u32>,
    },
    /// Let a release stay as it is
    Pause {
        /// TEAM/NAME
        app: AppName,
        /// The release; none: the one that acts
        release: Option<String>,
    },
    /// Let a paused release go on
    Resume {
        /// TEAM/NAME
        app: AppName,
        /// The release; none: the one that acts
        release: Option<String>,
    },
    /// Bring the old instances back into service, and take the new ones away
    Abort {
        /// TEAM/NAME
        app: AppName,
        /// The release; none: the one that acts
        release: Option<String>,
        /// Watch it
        #[arg(long)]
        watch: bool,
    },
    /// List an application's releases, the latest first
    History {
        /// TEAM/NAME
        app: AppName,
    },
}

/// `flatctl build`.
#[derive(Debug, Clone, Args)]
pub struct BuildArgs {
    /// TEAM/NAME
    pub app: AppName,
    /// A commit (40 hexadecimal digits), a branch or a tag. The same commit is built once, until the template is another
    #[arg(long, value_name = "REF")]
    pub commit: Option<String>,
    /// Build it once more where that failed
    #[arg(long, requires = "commit")]
    pub again: bool,
    /// Only ask for it, and do not wait for its end
    #[arg(long, requires = "commit")]
    pub no_wait: bool,
    /// Show the log of a build, as the list names it
    #[arg(long, value_name = "BUILD", conflicts_with = "commit")]
    pub log: Option<String>,
}

/// `flatctl rollback`.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// TEAM/NAME
    pub app: AppName,
    /// A release or a digest; none: what served before the release that acts
    #[arg(long, value_name = "RELEASE|DIGEST")]
    pub to: Option<String>,
    /// Watch it
    #[arg(long)]
    pub watch: bool,
}

/// `flatctl scale`.
#[derive(Debug, Clone, Args)]
pub struct ScaleArgs {
    /// TEAM/NAME
    pub app: AppName,
    /// Instances that are wanted
    #[arg(long, value_name = "N")]
    pub to: u32,
    /// Also where not all of them have room now: the others wait for it
    #[arg(long)]
    pub even_without_room: bool,
    /// Only say where they would go, and what is short
    #[arg(long)]
    pub dry_run: bool,
}

/// `flatctl place`.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// TEAM/NAME
    pub app: AppName,
    /// Instances in all; none: the application's
    #[arg(long, value_name = "N")]
    pub replicas: Option<u32>,
    /// Only say where instances would go. Nothing is ever placed by this command: it is for those who expect to have to
    /// say so
    #[arg(long)]
    pub dry_run: bool,
}

/// The commands on requests for locations.
#[derive(Debug, Subcommand)]
pub enum ClaimCommand {
    /// List requests, with the room that there is
    List,
    /// Ask for room in a location
    Ask {
        /// TEAM/NAME
        app: AppName,
        /// The location
        #[arg(long)]
        location: String,
        /// The most instances there, parked ones and those of a release under way included
        #[arg(long, value_name = "N")]
        instances: u32,
        /// What for
        #[arg(long)]
        reason: Option<String>,
    },
    /// Grant a request
    Approve {
        /// TEAM/REQUEST, as `flatctl claim list` shows it
        claim: AppName,
    },
    /// Refuse a request
    Refuse {
        /// TEAM/REQUEST, as `flatctl claim list` shows it
        claim: AppName,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
}

/// `flatctl audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// Only changes of this team's objects
    #[arg(long)]
    pub team: Option<String>,
    /// Only changes of this object, such as apps/web or releases/web-3
    #[arg(long)]
    pub object: Option<String>,
    /// So many, the latest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}
