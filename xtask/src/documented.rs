//! The commands that README, ARCHITECTURE.md and docs/ name, as somebody would type them. Tests of
//! xtask and of the lab read them: a command that is in the text is one that there is.

use std::fs;
use std::path::{Path, PathBuf};

/// What stands before every command.
const XTASK: &str = "cargo xtask ";

/// A command, and where it stands.
#[derive(Debug)]
pub(crate) struct Documented {
    pub(crate) file: PathBuf,
    /// Its words behind `cargo xtask`, placeholders filled in.
    pub(crate) words: Vec<String>,
}

/// Every command of the project's Markdown.
///
/// # Panics
/// If a file cannot be read: it is for tests.
pub(crate) fn commands(root: &Path) -> Vec<Documented> {
    let mut files = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    let mut dirs = vec![root.join("docs")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("docs/ is a directory").flatten() {
            match entry.path() {
                path if path.is_dir() => dirs.push(path),
                path if path.extension().is_some_and(|e| e == "md") => files.push(path),
                _ => {}
            }
        }
    }
    let found = files.into_iter().flat_map(|file| {
        let text = fs::read_to_string(&file).expect("Markdown");
        let of_file = move |words| Documented {
            file: file.clone(),
            words,
        };
        in_text(&text).into_iter().map(of_file)
    });
    found.collect()
}

/// The commands of a text: lines of its code blocks that begin with `cargo xtask`, up to a `#`, and
/// spans of code in its sentences.
fn in_text(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (number, part) in text.split("```").enumerate() {
        let commands: Vec<&str> = match number % 2 {
            1 => part.lines().collect(),
            _ => part.split('`').skip(1).step_by(2).collect(),
        };
        let commands = commands.into_iter().filter_map(|c| {
            // A span may go over the end of a line.
            let line = c.split_whitespace().collect::<Vec<_>>().join(" ");
            let words = line.strip_prefix(XTASK)?;
            Some(filled_in(words.split(" #").next().unwrap_or_default()))
        });
        found.extend(commands.filter(|words| !words.is_empty()));
    }
    found
}

/// Placeholders as values: `[--rounds N]` is `--rounds 1`. Of alternatives the first is taken, and
/// where they are verbs what follows is left out, for it belongs to another one.
fn filled_in(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let word = word.trim_matches(['[', ']', '…']);
        let (first, more) = word.split_once('|').unwrap_or((word, ""));
        let is_value = words.last().is_some_and(|w| w.starts_with("--"));
        match first {
            "" => break,
            "N" | "MS" => words.push("1".to_owned()),
            other => words.push(other.to_owned()),
        }
        if !more.is_empty() && !is_value {
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_in_a_sentence_and_in_a_block() {
        let text = "Run `cargo xtask\ntest --fast`, `other`, or `cargo xtask lab up|exec NODE CMD…`.\n\
                    ```sh\ncargo xtask demo   # all of it\nls\n```\n`cargo xtask bench x [--rounds N] [--datapath kernel|user] [--json FILE]`";
        let found: Vec<String> = in_text(text).iter().map(|w| w.join(" ")).collect();
        assert_eq!(
            found,
            [
                "test --fast",
                "lab up",
                "demo",
                "bench x --rounds 1 --datapath kernel --json FILE"
            ]
        );
    }
}
