use crate::api::code;
use crate::cni::{CniVersion, Command, Document, InputError};

use super::document;

#[test]
fn every_version_survives_printing() {
    for version in CniVersion::ALL {
        assert_eq!(
            CniVersion::parse(version.as_str()).expect("a version"),
            version
        );
    }
    assert!(CniVersion::ALL.is_sorted());
}

#[test]
fn no_version_means_the_first() {
    for text in ["{}", r#"{"cniVersion":""}"#, r#"{"cniVersion":null}"#] {
        assert_eq!(
            document(text).version().expect("a version"),
            CniVersion::V0_1_0,
            "{text}"
        );
    }
}

#[test]
fn a_version_that_is_not_spoken_is_code_1_and_one_that_is_no_string_is_code_6() {
    for asked in [
        "2.0.0", "1.1", "1.1.0 ", "v1.1.0", "0.0.0", "1.0.1", "\u{0}",
    ] {
        let err = InputError::from(CniVersion::parse(asked).expect_err(asked));
        assert_eq!(err.cni_code(), code::INCOMPATIBLE_VERSION, "{asked}");
    }
    let err = document(r#"{"cniVersion":1.1}"#)
        .version()
        .expect_err("a number");
    assert_eq!(err.cni_code(), code::DECODE);
}

#[test]
fn a_command_needs_its_version() {
    let require = |version: &str, command, since| {
        let text = format!(r#"{{"cniVersion":"{version}","name":"n"}}"#);
        Document::parse(text.as_bytes()).and_then(|d| d.require(command, since))
    };
    assert!(require("0.4.0", Command::Check, CniVersion::V0_4_0).is_ok());
    assert!(require("1.1.0", Command::Gc, CniVersion::V1_1_0).is_ok());
    for (version, command, since) in [
        ("0.3.1", Command::Check, CniVersion::V0_4_0),
        ("1.0.0", Command::Gc, CniVersion::V1_1_0),
        ("1.0.0", Command::Status, CniVersion::V1_1_0),
    ] {
        let err = require(version, command, since).expect_err("too old");
        assert!(matches!(err, InputError::CommandTooNew { .. }));
        assert_eq!(err.cni_code(), code::INCOMPATIBLE_VERSION);
        assert!(err.to_string().contains(command.as_str()), "{err}");
    }
}
