//! The file source against real files. Tests poll explicitly, so that none waits.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicU64, Ordering};

use flatnet_types::Timestamp;

use super::*;
use crate::{COPY, Version};

const LAB: &str = include_str!("../../../../examples/lab.yaml");

/// A directory with a plan and a state directory.
struct Place {
    dir: tempfile::TempDir,
    clock: Arc<AtomicU64>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("state")).expect("made");
        let clock = Arc::new(AtomicU64::new(1_000));
        Self { dir, clock }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn plan(&self) -> PathBuf {
        self.path("plan.yaml")
    }

    fn copy(&self) -> PathBuf {
        self.path("state").join(COPY)
    }

    fn write(&self, text: &str) {
        fs::write(self.plan(), text).expect("written");
    }

    /// A daemon that can use a plan with the host idc1, and extracts the number of hosts.
    fn open(&self) -> Result<Watched, OpenError> {
        let clock = Arc::clone(&self.clock);
        let file =
            FilePlan::new(&self.plan(), &self.path("state")).with_clock(Arc::new(move || {
                Timestamp::from_millis(clock.fetch_add(1, Ordering::Relaxed))
            }));
        let take = |plan: NetworkPlan, _: &str| {
            let is_one = |h: &flatnet_plan::model::Host| h.name.as_str() == "idc1";
            match plan.spec.hosts.iter().any(is_one) {
                true => Ok(plan.spec.hosts.len()),
                false => Err(UnusablePlan::from("it has no host idc1")),
            }
        };
        let source = FileSource::open(file, take)?;
        let mut watched = Watched {
            states: source.watch(),
            source,
            detector: ChangeDetector::default(),
        };
        watched.states.mark_unchanged();
        Ok(watched)
    }
}

struct Watched {
    source: FileSource<usize>,
    states: watch::Receiver<State<usize>>,
    detector: ChangeDetector,
}

impl Watched {
    /// Checks the file twice, as a source does within two seconds; whether a state was published.
    fn check_twice(&mut self) -> bool {
        self.source.inner.check_file(&mut self.detector);
        self.source.inner.check_file(&mut self.detector);
        let news = self.states.has_changed().expect("the source lives");
        self.states.mark_unchanged();
        news
    }

    fn state(&self) -> State<usize> {
        self.states.borrow().clone()
    }

    fn version(&self) -> Version {
        self.state().accepted.version
    }

    fn refused(&self) -> String {
        let refused = self.state().refused;
        refused.map_or(String::new(), |r| r.why.headline())
    }
}

/// The lab's plan as another text.
fn other() -> String {
    format!("{LAB}# a remark\n")
}

#[test]
fn an_accepted_plan_is_kept_and_a_changed_one_replaces_it() {
    let place = Place::new();
    place.write(LAB);
    let mut watched = place.open().expect("opens");
    assert_eq!(watched.version(), Version::of(LAB));
    assert!(!watched.check_twice(), "nothing is new");
    place.write(&other());
    assert!(watched.check_twice());
    assert_eq!(watched.version(), Version::of(&other()));
    assert_eq!(*watched.state().accepted.plan, 4);
    let kept = fs::read_to_string(place.copy()).expect("kept");
    assert!(kept.starts_with(&other()));
    let mode = fs::metadata(place.copy()).expect("there").permissions();
    assert_eq!(mode.mode() & 0o7777, 0o600);
    assert!(!watched.check_twice(), "it is published once");
}

#[test]
fn a_wrong_plan_is_refused_with_its_diagnostics_and_the_old_one_stands_over_a_restart() {
    let place = Place::new();
    place.write(LAB);
    let mut watched = place.open().expect("opens");
    for (text, words) in [
        ("apiVersion: [", "line 2: FN0001"),
        (&*LAB.replace("idc1", "idc9"), "no host idc1"),
        ("", "FN"),
    ] {
        place.write(text);
        assert!(watched.check_twice());
        assert!(watched.refused().contains(words), "{}", watched.refused());
        assert_eq!(watched.version(), Version::of(LAB));
        assert!(!watched.check_twice(), "it is published once");
        let status = watched.state().status();
        assert_eq!(status.version, Version::of(LAB).to_string());
        assert!(status.refused.is_some());
    }
    place.write("apiVersion: [");
    drop(watched);
    let mut watched = place.open().expect("goes by the copy");
    assert_eq!(watched.version(), Version::of(LAB));
    assert!(watched.refused().contains("FN0001"));
    assert!(
        !watched
            .state()
            .refused
            .expect("refused")
            .why
            .diagnostics()
            .is_empty()
    );
    assert!(!watched.check_twice(), "that is known since the start");
    // Put right, it is as it was.
    place.write(LAB);
    assert!(watched.check_twice());
    assert_eq!(
        (watched.refused(), watched.version()),
        (String::new(), Version::of(LAB))
    );
}

#[test]
fn a_restart_does_not_change_since_when_a_plan_is_accepted() {
    let place = Place::new();
    place.write(LAB);
    drop(place.open().expect("opens"));
    let modified = fs::metadata(place.copy()).and_then(|m| m.modified());
    let written = Timestamp::from(modified.expect("a time"));
    let watched = place.open().expect("opens");
    assert_eq!(watched.state().accepted.since, written);
    place.write("no plan");
    let watched = place.open().expect("goes by the copy");
    assert_eq!(watched.state().accepted.since, written);
}

#[test]
fn a_first_start_without_a_usable_plan_fails_with_what_is_wrong() {
    let place = Place::new();
    let chain = |error: OpenError| {
        let refused = std::error::Error::source(&error).expect("a cause");
        let cause = refused.source().map(ToString::to_string);
        format!("{error}: {refused}: {}", cause.unwrap_or_default())
    };
    let missing = chain(place.open().err().expect("no file"));
    assert!(
        missing.contains("plan.yaml") && missing.contains("No such file"),
        "{missing}"
    );
    place.write("no plan");
    let wrong = chain(place.open().err().expect("no plan"));
    assert!(wrong.contains("plan.yaml:1:1: FN"), "{wrong}");
    // A copy that was altered is no plan to go by, either.
    place.write(LAB);
    drop(place.open().expect("opens"));
    let kept = fs::read_to_string(place.copy()).expect("kept");
    fs::write(place.copy(), kept.replacen("10.", "11.", 1)).expect("written");
    place.write("no plan");
    let both = chain(place.open().err().expect("neither"));
    assert!(both.contains(COPY) && both.contains("digest"), "{both}");
    // A valid file needs no copy, and its copy is written again.
    place.write(LAB);
    drop(place.open().expect("opens"));
    place.write("no plan");
    place.open().expect("goes by the copy");
}

#[test]
fn a_plan_that_goes_away_is_refused_and_the_accepted_one_stands() {
    let place = Place::new();
    place.write(LAB);
    let mut watched = place.open().expect("opens");
    fs::remove_file(place.plan()).expect("removed");
    assert!(watched.check_twice());
    assert!(
        watched.refused().contains("No such file"),
        "{}",
        watched.refused()
    );
    assert!(!watched.check_twice(), "it is published once");
    let again = place.open().expect("goes by the copy");
    assert_eq!(again.version(), Version::of(LAB));
    place.write(LAB);
    assert!(watched.check_twice());
    assert_eq!(watched.refused(), "");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let place = Place::new();
    place.write(LAB);
    let mut watched = place.open().expect("opens");
    let long = place.path("long");
    let file = fs::File::create(&long).expect("made");
    file.set_len(MAX_BYTES + 1).expect("sparse");
    let not_text = place.path("latin1");
    fs::write(&not_text, b"a: \xff\n").expect("written");
    for (target, words) in [
        (&*long, "at most"),
        (Path::new("/dev/zero"), "it is a device"),
        (Path::new("/"), "it is a directory"),
        (Path::new("/nowhere/plan"), "symbolic link to /nowhere"),
        (&*not_text, "it is not UTF-8"),
    ] {
        fs::remove_file(place.plan()).expect("removed");
        symlink(target, place.plan()).expect("links");
        assert!(watched.check_twice(), "{words}");
        assert!(watched.refused().contains(words), "{}", watched.refused());
        assert_eq!(watched.version(), Version::of(LAB));
    }
}

#[test]
fn a_configmap_whose_link_is_swapped_is_a_changed_plan() {
    let place = Place::new();
    // plan.yaml -> ..data/plan.yaml, ..data -> ..1: as kubelet's atomic writer has it.
    let version = |name: &str, text: &str| {
        fs::create_dir(place.path(name)).expect("made");
        fs::write(place.path(name).join("plan.yaml"), text).expect("written");
    };
    version("..1", LAB);
    symlink("..1", place.path("..data")).expect("links");
    symlink("..data/plan.yaml", place.plan()).expect("links");
    let mut watched = place.open().expect("opens");
    version("..2", &other());
    symlink("..2", place.path("..data_tmp")).expect("links");
    fs::rename(place.path("..data_tmp"), place.path("..data")).expect("swaps");
    fs::remove_dir_all(place.path("..1")).expect("removed");
    assert!(watched.check_twice());
    assert_eq!(watched.version(), Version::of(&other()));
}

#[test]
fn a_file_that_is_replaced_by_rename_is_a_changed_plan() {
    let place = Place::new();
    place.write(LAB);
    let mut watched = place.open().expect("opens");
    fs::write(place.path("fresh"), other()).expect("written");
    fs::rename(place.path("fresh"), place.plan()).expect("renamed");
    assert!(watched.check_twice());
    assert_eq!(watched.version(), Version::of(&other()));
}

#[test]
fn half_a_plan_is_not_taken_while_the_other_half_is_being_written() {
    let place = Place::new();
    place.write(LAB);
    let mut watched = place.open().expect("opens");
    watched.check_twice();
    // Without its last lines it is a sound plan with less in it.
    let whole = format!("{LAB}# {}\n", "x".repeat(4096));
    for end in [LAB.len() + 2, LAB.len() + 1024, whole.len()] {
        place.write(&whole[..end]);
        watched.source.inner.check_file(&mut watched.detector);
        assert_eq!(watched.version(), Version::of(LAB), "after {end} bytes");
    }
    watched.source.inner.check_file(&mut watched.detector);
    assert_eq!(watched.version(), Version::of(&whole));
    assert_eq!(watched.refused(), "");
}

#[test]
fn a_plan_whose_copy_cannot_be_written_is_in_force_and_is_kept_later() {
    let place = Place::new();
    place.write(LAB);
    let mut watched = place.open().expect("opens");
    // Where the copy's successor would be written, something is in the way.
    let way = place.copy().with_file_name(format!("{COPY}.new"));
    fs::create_dir(&way).expect("made");
    place.write(&other());
    assert!(watched.check_twice());
    let state = watched.state();
    assert_eq!(state.accepted.version, Version::of(&other()));
    let unkept = state.status().unkept.expect("not kept");
    assert!(unkept.contains(COPY), "{unkept}");
    assert!(!watched.check_twice(), "it is published once");
    fs::remove_dir(&way).expect("removed");
    assert!(watched.check_twice());
    assert_eq!(watched.state().unkept, None);
    let kept = fs::read_to_string(place.copy()).expect("kept");
    assert!(kept.starts_with(&other()));
}

#[tokio::test]
async fn a_change_comes_over_the_channel() {
    let place = Place::new();
    place.write(LAB);
    let mut watched = place.open().expect("opens");
    let mut file = watched.source.inner.file.clone();
    file.every = Duration::from_millis(5);
    let source = FileSource::open(file, |_, text| Ok(text.len())).expect("opens");
    watched.states = source.watch();
    let following = tokio::spawn(source.follow());
    place.write(&other());
    let wanted = Version::of(&other());
    let state = watched.states.wait_for(|s| s.accepted.version == wanted);
    assert_eq!(*state.await.expect("a state").accepted.plan, other().len());
    following.abort();
}
