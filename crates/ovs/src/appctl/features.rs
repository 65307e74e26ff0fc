//! What a bridge's datapath can do: `dpif/show-dp-features`.

use std::collections::BTreeMap;
use std::path::Path;

use super::{AppctlError, vswitchd};

/// Asks the `ovs-vswitchd` whose sockets are in `rundir` for the features of a bridge's datapath:
/// names and values as it prints them, such as `IPv6 ND Extension` and `No`.
///
/// # Errors
/// [`AppctlError`]; a bridge that is not there is [`AppctlError::Refused`].
pub async fn features(
    rundir: &Path,
    bridge: &str,
) -> Result<BTreeMap<String, String>, AppctlError> {
    let text = vswitchd(rundir, "dpif/show-dp-features", &[bridge]).await?;
    Ok(parse(&text))
}

/// One feature in a line, `name: value`.
fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_by_name() {
        let text = "Masked set action: Yes\nTunnel push pop: No\nMax sample nesting: 10\n\
                    CT zone: No\n\nnothing here\n";
        let features = parse(text);
        assert_eq!(features.len(), 4);
        assert_eq!(features["CT zone"], "No");
        assert_eq!(features["Max sample nesting"], "10");
    }
}
