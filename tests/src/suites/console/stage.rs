//! The stage: the served console, and a browser that plays a scene on it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::LabGuard;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::suites::kit::{bound, eventually, say};
use crate::suites::platform::desk::{Desk, PEOPLE, SERVER};
use crate::suites::platform::world::{SOON, World, locked};

/// Debian's package of that name.
const BROWSER: &str = "/usr/bin/chromium";
const NODE: &str = "/usr/bin/node";
/// The variable with the directory that pictures are put into; nowhere without it.
const PICTURES: &str = "FLATNET_CONSOLE_PICTURES";
const APPS: &str = "/apis/platform.flatnet.io/v1alpha1/namespaces/shop/apps";

static STAGE: Mutex<Option<Stage>> = Mutex::new(None);

/// A served console with an application whose releases wait for somebody.
pub(super) struct Stage {
    pub(super) desk: Desk,
    /// Where `cargo xtask test` put the console: its build in `dist`, its scenes in `e2e`.
    dir: PathBuf,
}

/// A browser's process; it ends with this.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        // Both fail harmlessly on one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does something on the stage that is up, or on a new one.
pub(super) fn on_stage(lab: &LabGuard, play: impl FnOnce(&mut Stage) -> Result<()>) -> Result<()> {
    let mut slot = locked(&STAGE);
    let stage = match &mut *slot {
        Some(stage) => stage,
        empty => empty.insert(Stage::raise(lab)?),
    };
    play(stage)
}

/// Takes the server away, so that nobody holds the world any more.
pub(super) fn strike() -> Result<()> {
    let stage = locked(&STAGE).take();
    stage.map_or(Ok(()), |mut stage| stage.desk.stop())
}

impl Stage {
    fn raise(lab: &LabGuard) -> Result<Self> {
        let dir = std::env::current_exe()?.with_file_name("console");
        for needed in [
            Path::new(BROWSER),
            Path::new(NODE),
            &dir.join("dist/index.html"),
        ] {
            ensure!(
                needed.exists(),
                "there is no {}: `cargo xtask test --suite console` installs and builds what is needed",
                needed.display()
            );
        }
        let world = World::get(lab)?;
        furnish(&world)?;
        let desk = Desk::with_console(&world, Some(&dir.join("dist")))?;
        Ok(Self { desk, dir })
    }

    /// Plays a scene to its end. A line `> WORDS` of it asks for something that a browser cannot do: `answer` does it, and
    /// the scene goes on.
    ///
    /// # Errors
    /// What the scene says, with the end of the server's log.
    pub(super) fn play(
        &mut self,
        scene: &str,
        mut answer: impl FnMut(&mut Desk, &str) -> Result<()>,
    ) -> Result<()> {
        let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), Path::new(NODE))?;
        command
            .arg(self.dir.join("e2e/main.mjs"))
            .arg(scene)
            .env("CONSOLE_URL", SERVER)
            .env("CONSOLE_BROWSER", BROWSER)
            .env("CONSOLE_HOME", self.desk.world.hub.dir.join("browser"));
        for (name, password) in PEOPLE {
            command.env(
                format!("CONSOLE_PASSWORD_{}", name.to_uppercase()),
                password,
            );
        }
        if let Some(pictures) = std::env::var_os(PICTURES) {
            command.env("CONSOLE_PICTURES", pictures);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run node")?;
        let mut browser = Browser(child);
        let mut stdin = browser.0.stdin.take().context("its input")?;
        let stdout = browser.0.stdout.take().context("its output")?;
        let stderr = browser.0.stderr.take().context("its errors")?;
        let errors =
            std::thread::spawn(move || std::io::read_to_string(stderr).unwrap_or_default());
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            match line.strip_prefix("> ") {
                Some(wish) => {
                    answer(&mut self.desk, wish).with_context(|| wish.to_owned())?;
                    stdin.write_all(b"done\n")?;
                }
                None => say(&line),
            }
        }
        let status = browser.0.wait()?;
        let errors = errors.join().unwrap_or_default();
        if !status.success() {
            let log = std::fs::read_to_string(self.desk.log()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(10)..].join("\n");
            bail!("scene {scene}: {errors}\nthe server's log ends with:\n{end}");
        }
        Ok(())
    }
}

/// A first release that is done, steps that wait for somebody, and applications to search among.
fn furnish(world: &Arc<World>) -> Result<()> {
    world.release("web-1", 1, "Deploy")?;
    world.reaches("web-1", "Done")?;
    let gates = json!([{"probe": "/health"}, {"human": true}]);
    let steps = json!([
        {"instances": 1, "bake": "1s", "gates": gates},
        {"instances": "50%", "locations": "First", "bake": "1s"},
    ]);
    let policy =
        json!({"spec": {"release": {"steps": steps, "keepOld": {"count": "100%", "for": "1h"}}}});
    world.api.merge(&format!("{APPS}/web"), &policy)?;
    for name in ["api", "billing", "mail-worker", "search"] {
        let app = json!({
            "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "App", "metadata": {"name": name},
            "spec": {
                "repo": format!("https://git.example/shop/{name}"), "team": "shop", "replicas": 2,
                "template": {"name": "plain", "version": 1},
                "placement": {"locations": [{"name": "one"}]},
            },
        });
        world.api.post(APPS, &app)?;
    }
    Ok(())
}

/// Waits until so many instances serve.
///
/// # Errors
/// If it takes too long.
pub(super) fn serving(world: &World, wanted: usize) -> Result<()> {
    let served = eventually(SOON, || {
        let serving = world.serving()?;
        ensure!(serving.len() == wanted, "{serving:?} serve");
        Ok(())
    });
    served.map(drop)
}
