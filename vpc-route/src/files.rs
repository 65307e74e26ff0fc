//! Replacing files durably.

use std::io::Write;
use std::path::Path;

/// Replaces a file whole, and durably, or not at all.
pub(crate) fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = directory.join(name);
    let written = std::fs::File::create(&fresh).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| std::fs::rename(&fresh, path));
    if replaced.is_err() {
        // The first error is the one to report; a leftover temporary file does no harm.
        let _ = std::fs::remove_file(&fresh);
    }
    replaced?;
    std::fs::File::open(directory)?.sync_all()
}
