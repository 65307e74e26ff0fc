//! The key `lease` ([`flatnet_leader::LeaseKind`]): where it stands, for messages.

/// The line of the text on which the key stands, counted from 1.
pub(super) fn line(text: &str) -> Option<usize> {
    let at = text.lines().position(|line| {
        let line = line.trim_start_matches(['{', ' ', ',']);
        line.starts_with("lease:") || line.starts_with("\"lease\":")
    })?;
    Some(at + 1)
}

#[cfg(test)]
mod tests;
