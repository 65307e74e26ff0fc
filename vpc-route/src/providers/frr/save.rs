//! Keeping FRR's configuration over its restart.

use std::path::Path;

use super::error::FrrError;
use super::vty::Vty;
use super::{FrrRouter, Save};

impl FrrRouter {
    /// The routes are in force whether or not they are saved: a failure is logged, not returned.
    pub(super) async fn save(&self, staticd: &mut Vty) {
        let saved = match self.config.save {
            Save::Never => Ok(()),
            Save::Daemon => staticd.run("write memory").await.map(|_| ()),
            Save::Integrated => integrated(&self.config.sockets, &self.config.config_dir).await,
        };
        if let Err(error) = saved {
            tracing::error!(%error, "FRR's configuration is not saved");
        }
    }
}

/// `vtysh --writeconfig`: FRR has no command for it on a daemon's own socket.
async fn integrated(sockets: &Path, config_dir: &Path) -> Result<(), FrrError> {
    let arguments = ["--writeconfig", "--vty_socket"];
    let (sockets, config_dir) = (sockets.to_owned(), config_dir.to_owned());
    let shown = format!(
        "vtysh --writeconfig --vty_socket {} --config_dir {}",
        sockets.display(),
        config_dir.display()
    );
    let run = tokio::task::spawn_blocking(move || {
        std::process::Command::new("vtysh")
            .args(arguments)
            .arg(&sockets)
            .arg("--config_dir")
            .arg(&config_dir)
            .stdin(std::process::Stdio::null())
            .output()
    });
    let said = match run.await {
        Ok(Ok(out)) if out.status.success() => return Ok(()),
        Ok(Ok(out)) => [out.stdout, out.stderr]
            .map(|text| String::from_utf8_lossy(&text).trim().to_owned())
            .join(" "),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Err(FrrError::Save {
        command: shown,
        said,
    })
}
