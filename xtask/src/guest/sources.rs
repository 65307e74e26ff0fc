//! Where this machine gets Debian's packages from, as its apt configuration says: the guest's
//! kernel comes from the same mirror, of another suite, and what else runs in it of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The suite that has a User Mode Linux for today's processors.
const SUITE: &str = "sid";
/// The component that the packages are in.
const COMPONENT: &str = "main";
/// Suites of the archive that have no code name.
const CLASSES: [&str; 5] = ["stable", "oldstable", "testing", "unstable", "sid"];

/// One entry of apt's configuration (sources.list(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Source {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    /// What else matters for trust, by deb822 names: `Signed-By`, `Trusted`.
    options: BTreeMap<&'static str, String>,
}

/// The options that are kept, by both of their names.
const OPTIONS: [(&str, &str); 3] = [
    ("signed-by", "Signed-By"),
    ("trusted", "Trusted"),
    ("check-valid-until", "Check-Valid-Until"),
];

fn option(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let known = OPTIONS.iter().find(|(line, _)| *line == name);
    known.map(|(_, field)| *field)
}

/// Reads a file of one-line entries: `deb [option=value …] URI suite component…`.
pub(crate) fn parse_list(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb")?;
    let rest = rest.strip_prefix(|c: char| c.is_whitespace() || c == '[');
    let (mut rest, mut source) = (rest?.trim_start(), Source::default());
    if line.contains('[') && !line.contains("cdrom:") {
        let (inside, behind) = rest.trim_start_matches('[').split_once(']')?;
        for (name, value) in inside.split_whitespace().filter_map(|o| o.split_once('=')) {
            if let Some(name) = option(name) {
                source.options.insert(name, value.replace(',', " "));
            }
        }
        rest = behind;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    source.uris.push(words.next()?);
    source.suites.push(words.next()?);
    source.components.extend(words);
    Some(source)
}

/// Reads a file of paragraphs (deb822(5)).
pub(crate) fn parse_deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            sources.extend(paragraph(&std::mem::take(&mut fields)));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    sources
}

fn paragraph(fields: &[(String, String)]) -> Option<Source> {
    let field = |name: &str| {
        let found = fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    };
    let words = |name: &str| -> Vec<String> {
        let value = field(name).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    };
    let enabled = !matches!(field("enabled"), Some("no" | "false" | "0"));
    if !enabled || !words("types").iter().any(|t| t == "deb") {
        return None;
    }
    let mut source = Source {
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
        options: BTreeMap::new(),
    };
    for (name, value) in fields {
        if let Some(name) = option(name) {
            source.options.insert(name, value.clone());
        }
    }
    Some(source)
}

/// The entry that leads to Debian's own archive, where the machine runs the release of that code
/// name; the likeliest where several may: others publish suites named like Debian's, too.
pub(crate) fn debian<'s>(sources: &'s [Source], codename: &str) -> Option<&'s Source> {
    let archive = |s: &&Source| {
        let suite = |s: &String| s == codename || CLASSES.contains(&s.as_str());
        s.suites.iter().any(suite) && s.components.iter().any(|c| c == COMPONENT)
    };
    let likeliness = |s: &&Source| {
        let named = |uri: &String| uri.trim_end_matches('/').ends_with("/debian");
        (s.is_signed_by_debian(), s.uris.iter().any(named))
    };
    let mut candidates: Vec<&Source> = sources.iter().filter(archive).collect();
    // A stable sort: of equals, the first that apt reads.
    candidates.sort_by_key(|s| std::cmp::Reverse(likeliness(s)));
    candidates.first().copied()
}

/// The archive of the guest's kernel.
///
/// # Errors
/// Where the machine's own configuration leads to no archive of Debian's.
pub(crate) fn for_kernel() -> Result<String> {
    let machine = of_machine()?;
    let source = debian(&machine, &codename()).context(
        "this machine's apt configuration names no archive of Debian's (an entry with the \
         release's suite and the component main), and so no address for the guest's kernel",
    )?;
    Ok(source.for_guest())
}

/// The archives of the machine's own release, with its updates.
///
/// # Errors
/// As [`for_kernel`].
pub(crate) fn for_release() -> Result<String> {
    let (machine, codename) = (of_machine()?, codename());
    let entries: Vec<String> = release(&machine, &codename)
        .into_iter()
        .map(|(source, suites)| source.of_suites(&suites.join(" ")))
        .collect();
    ensure!(
        !entries.is_empty(),
        "this machine's apt configuration names no archive of Debian's with {codename}"
    );
    Ok(entries.join("\n"))
}

/// The entries of Debian's own archives that have the release, or its updates, and which suites.
fn release<'s>(sources: &'s [Source], codename: &str) -> Vec<(&'s Source, Vec<&'s str>)> {
    let of_release = |suite: &str| {
        let rest = suite.strip_prefix(codename);
        matches!(rest, Some("" | "-updates" | "-security"))
    };
    let entry = |source: &'s Source| {
        let suites = source.suites.iter().map(String::as_str);
        (source, suites.filter(|s| of_release(s)).collect::<Vec<_>>())
    };
    sources
        .iter()
        .filter(|s| s.is_signed_by_debian() && s.components.iter().any(|c| c == COMPONENT))
        .map(entry)
        .filter(|(_, suites)| !suites.is_empty())
        .collect()
}

impl Source {
    /// By Debian's key, as far as the entry says.
    fn is_signed_by_debian(&self) -> bool {
        let signed = self.options.get("Signed-By");
        signed.is_none_or(|key| key.contains("debian-archive"))
    }

    /// The same archive's suite for the guest, as a deb822 paragraph.
    pub(crate) fn for_guest(&self) -> String {
        self.of_suites(SUITE)
    }

    fn of_suites(&self, suites: &str) -> String {
        let options = self.options.iter().map(|(n, v)| {
            // A key that is written out begins on the line below.
            let space = if v.starts_with('\n') { "" } else { " " };
            format!("{n}:{space}{v}\n")
        });
        format!(
            "Types: deb\nURIs: {}\nSuites: {suites}\nComponents: {COMPONENT}\n{}",
            self.uris.join(" "),
            options.collect::<String>()
        )
    }
}

/// Every entry of this machine's apt configuration, in apt's order.
///
/// # Errors
/// If apt-config does not say where it is.
pub(crate) fn of_machine() -> Result<Vec<Source>> {
    let list = apt_path("Dir::Etc::sourcelist/f")?;
    let mut sources = parse_list(&fs::read_to_string(list).unwrap_or_default());
    let parts = apt_path("Dir::Etc::sourceparts/d")?;
    let mut files: Vec<PathBuf> = fs::read_dir(&parts)
        .map(|dir| dir.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    files.sort();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        match file.extension().and_then(|e| e.to_str()) {
            Some("list") => sources.extend(parse_list(&text)),
            Some("sources") => sources.extend(parse_deb822(&text)),
            _ => {}
        }
    }
    Ok(sources)
}

/// A path of apt's configuration, whole.
fn apt_path(key: &str) -> Result<PathBuf> {
    let out = Command::new("apt-config")
        .args(["shell", "P", key])
        .output();
    let out = out.context("cannot run apt-config")?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let path = said.trim().strip_prefix("P='");
    let path = path.and_then(|p| p.strip_suffix('\''));
    ensure!(
        out.status.success() && path.is_some(),
        "apt-config names no {key}: {said}"
    );
    Ok(Path::new(path.unwrap_or_default()).to_owned())
}

/// The code name of the machine's release (os-release(5)), such as `bookworm`.
pub(crate) fn codename() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    codename_in(&text).unwrap_or_default().to_owned()
}

fn codename_in(os_release: &str) -> Option<&str> {
    let lines = &mut os_release.lines();
    let name = lines.find_map(|l| l.strip_prefix("VERSION_CODENAME="))?;
    Some(name.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: https://other.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINB
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
";

    #[test]
    fn paragraphs_are_read_with_their_keys_and_without_what_is_switched_off() {
        let sources = parse_deb822(DEB822);
        assert_eq!(sources.len(), 3);
        assert_eq!(sources[0].suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(sources[0].uris, ["http://mirror.example/debian"]);
        assert!(sources[1].options.is_empty());
        let key = &sources[2].options["Signed-By"];
        assert!(key.starts_with("\n -----BEGIN") && key.ends_with("BLOCK-----"));
        let written = parse_deb822(&sources[2].for_guest());
        assert_eq!(written[0].options, sources[2].options);
        assert_eq!(written[0].suites, ["sid"]);
    }

    #[test]
    fn lines_are_read_with_their_options() {
        let sources = parse_list(
            "# deb http://old.example/debian bookworm main\n\
             deb [arch=amd64 signed-by=/k/debian-archive-keyring.gpg] http://m.example/debian \
             bookworm main contrib # ours\n\
             deb-src http://m.example/debian bookworm main\n\
             deb cdrom:[Debian GNU/Linux 12]/ bookworm main\n\
             deb\thttp://n.example/debian/ stable main\n",
        );
        assert_eq!(sources[0].uris, ["http://m.example/debian"]);
        assert_eq!(
            sources[0].options["Signed-By"],
            "/k/debian-archive-keyring.gpg"
        );
        assert_eq!(sources[0].components, ["main", "contrib"]);
        let last = sources.last().expect("the last line");
        assert_eq!(last.uris, ["http://n.example/debian/"]);
        assert!(sources.iter().all(|s| !s.uris[0].contains("old.example")));
    }

    #[test]
    fn the_archive_of_debian_is_told_from_others_whose_suites_have_its_names() {
        let others = parse_list(
            "deb [signed-by=/k/vpn.gpg] https://vpn.example/stable/debian bookworm main\n\
             deb https://packages.example/apt sdk-bookworm main\n\
             deb [signed-by=/k/docker.gpg] https://docker.example/linux/debian bookworm stable\n",
        );
        let mut all = others.clone();
        all.extend(parse_deb822(DEB822));
        let chosen = debian(&all, "bookworm").expect("one of them");
        assert_eq!(chosen.uris, ["http://mirror.example/debian"]);
        assert_eq!(debian(&others[1..], "bookworm"), None);
    }

    #[test]
    fn programs_come_from_the_release_with_its_updates_and_from_nobody_else() {
        let mut all = parse_deb822(DEB822);
        all.extend(parse_list(
            "deb [signed-by=/k/docker.gpg] https://docker.example/debian bookworm main\n\
             deb https://packages.example/apt sdk-bookworm main\n\
             deb http://mirror.example/debian bookworm-backports main\n",
        ));
        let found: Vec<(&str, Vec<&str>)> = release(&all, "bookworm")
            .into_iter()
            .map(|(source, suites)| (source.uris[0].as_str(), suites))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "http://mirror.example/debian",
                    vec!["bookworm", "bookworm-updates"]
                ),
                (
                    "http://mirror.example/debian-security",
                    vec!["bookworm-security"]
                ),
            ]
        );
    }

    #[test]
    fn the_guests_list_names_the_same_mirror_and_key_and_another_suite() {
        let source = &parse_deb822(DEB822)[0];
        assert_eq!(
            source.for_guest(),
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: sid\nComponents: main\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        );
    }

    #[test]
    fn the_code_name_is_one_line_of_os_release() {
        let text = "ID=debian\nVERSION_CODENAME=bookworm\n";
        assert_eq!(codename_in(text), Some("bookworm"));
        assert_eq!(codename_in("ID=arch\n"), None);
    }
}
