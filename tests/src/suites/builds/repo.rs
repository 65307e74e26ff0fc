//! The application's repository: made by git, served as files by HTTP.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::output;

/// What every commit has: the script that the template's Dockerfile runs.
const BUILD: &str = "set -e\nmkdir -p www\ncp page www/index.html\necho well > www/health\necho built from $(cat page)\n";

/// A repository with a bare copy that is served.
pub(super) struct Repo {
    work: PathBuf,
    bare: PathBuf,
}

impl Repo {
    /// Makes it, with one commit on `main`.
    pub(super) fn make(dir: &Path) -> Result<Self> {
        let repo = Self {
            work: dir.join("work"),
            bare: dir.join("served/shop.git"),
        };
        std::fs::create_dir_all(&repo.work)?;
        repo.git(&["init", "-q", "-b", "main"])?;
        repo.commit("main", BUILD, "one")?;
        Ok(repo)
    }

    fn git(&self, args: &[&str]) -> Result<String> {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.work).args(args);
        // Whatever the machine's user has configured.
        git.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "Ann");
            git.env(format!("GIT_{who}_EMAIL"), "ann@shop.example");
        }
        output(&mut git).with_context(|| format!("git {}", args.join(" ")))
    }

    /// A commit on a branch, with that build.sh and page; the commit.
    pub(super) fn commit(&self, branch: &str, build: &str, page: &str) -> Result<String> {
        if branch != "main" {
            self.git(&["checkout", "-q", "-B", branch, "main"])?;
        }
        std::fs::write(self.work.join("build.sh"), build)?;
        std::fs::write(self.work.join("page"), format!("{page}\n"))?;
        self.git(&["add", "-A"])?;
        self.git(&["commit", "-q", "--allow-empty", "-m", page])?;
        let commit = self.git(&["rev-parse", "HEAD"])?;
        self.git(&["checkout", "-q", "main"])?;
        self.serve()?;
        Ok(commit.trim().to_owned())
    }

    /// A commit whose page is another, and whose script is the usual one.
    pub(super) fn page(&self, branch: &str, page: &str) -> Result<String> {
        self.commit(branch, BUILD, page)
    }

    /// What is served is files: HTTP's dumb protocol (gitprotocol-http(5)).
    fn serve(&self) -> Result<()> {
        if !self.bare.exists() {
            std::fs::create_dir_all(&self.bare)?;
            let bare = self.bare.display().to_string();
            self.git(&["init", "-q", "--bare", "-b", "main", &bare])?;
        }
        let bare = self.bare.display().to_string();
        self.git(&["push", "-q", "--force", "--all", &bare])?;
        self.git(&["--git-dir", &bare, "update-server-info"])
            .map(drop)
    }
}
