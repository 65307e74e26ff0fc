//! What a runtime may send wrong: the environment, the names, the JSON.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::LabGuard;
use crate::suites::rig::{Rig, Snapshot};

const ADD_NEEDS: [&str; 3] = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"];

pub(super) fn missing_variables(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let ns = rig.container("missing")?;
    let before = Snapshot::take(&rig)?;
    let needs: [(&str, &[&str]); 3] = [
        ("ADD", &ADD_NEEDS),
        ("CHECK", &ADD_NEEDS),
        ("DEL", &["CNI_CONTAINERID", "CNI_IFNAME"]),
    ];
    for (command, variables) in needs {
        for name in variables {
            for call in [
                rig.call(command, &ns).unset(name),
                rig.call(command, &ns).set(name, ""),
            ] {
                call.run()?
                    .refused(4, &[name])
                    .with_context(|| command.to_owned())?;
            }
        }
        let mut none = rig.call(command, &ns);
        for name in ADD_NEEDS {
            none = none.unset(name);
        }
        none.run()?
            .refused(4, variables)
            .context("all that is missing is named at once")?;
    }
    rig.call("ADD", &ns).unset("CNI_COMMAND").run()?.printed();
    rig.same_as(&before)
}

pub(super) fn malformed_variables(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let ns = rig.container("malformed")?;
    let before = Snapshot::take(&rig)?;
    let long = "c".repeat(5000);
    let wrong: [(&str, &[&str]); 4] = [
        ("CNI_COMMAND", &["add", "ATTACH", "ADD ", "DELETE"]),
        (
            "CNI_CONTAINERID",
            &[
                "../../etc",
                "-c",
                ".c",
                "_c",
                "a/b",
                "a b",
                "a:b",
                "ä",
                "c\n",
                "c;x",
                &long,
            ],
        ),
        (
            "CNI_IFNAME",
            &[
                ".",
                "..",
                "a/b",
                "a:b",
                "a b",
                "a\tb",
                "a\n",
                "sixteen-letters0",
                "eth0/../eth1",
            ],
        ),
        ("CNI_NETNS", &["relative/path", "run/netns/x"]),
    ];
    for (name, values) in wrong {
        for value in values {
            let answer = rig.call("ADD", &ns).set(name, value).run()?;
            let object = answer
                .refused(4, &[name])
                .with_context(|| format!("{name}={value:?}"))?;
            ensure!(
                object.to_string().len() < 1000,
                "{name}: a hostile value is repeated whole"
            );
        }
        let latin = OsStr::from_bytes(b"c\xff");
        let answer = rig.call("ADD", &ns).set(name, latin).run()?;
        answer
            .refused(4, &[name])
            .with_context(|| format!("{name} that is not UTF-8"))?;
    }
    rig.same_as(&before)
}

pub(super) fn cni_args(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let ns = rig.container("args")?;
    let before = Snapshot::take(&rig)?;
    let wrong: [(&str, &[&str]); 6] = [
        ("FOO=1", &["CNI_ARGS", "FOO"]),
        ("FOO=1;IgnoreUnknown=0", &["FOO", "IgnoreUnknown=1"]),
        ("IgnoreUnknown=perhaps", &["IgnoreUnknown", "perhaps"]),
        ("IgnoreUnknown", &["KEY=VALUE"]),
        ("IP=10.100.16.300", &["IP", "10.100.16.300"]),
        ("MAC=02:00", &["MAC"]),
    ];
    for (args, words) in wrong {
        let answer = rig.call("ADD", &ns).set("CNI_ARGS", args).run()?;
        answer
            .refused(4, words)
            .with_context(|| format!("CNI_ARGS={args}"))?;
    }
    rig.same_as(&before)?;
    for args in [
        "FOO=1;IgnoreUnknown=1",
        "IgnoreUnknown=true;FOO=1",
        "IgnoreUnknown=TRUE;X=",
        ";",
    ] {
        let pod = rig.attach_with("args", |call| call.set("CNI_ARGS", args));
        pod.with_context(|| format!("CNI_ARGS={args}"))?;
    }
    rig.same_as(&before)
}

pub(super) fn names(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let ns = rig.container("names")?;
    let before = Snapshot::take(&rig)?;
    for command in ["ADD", "CHECK", "DEL", "GC", "STATUS"] {
        let call = rig.call(command, &ns);
        let answer = call.clone().without("name").run()?;
        answer
            .refused(7, &["name"])
            .with_context(|| format!("{command} without a name"))?;
        for name in [
            json!(""),
            json!("../web"),
            json!("a b"),
            json!(".a"),
            json!(7),
            json!(["a"]),
        ] {
            let answer = call.clone().key("name", name.clone()).run()?;
            let refused = answer.refused(7, &["name"]);
            refused.with_context(|| format!("{command} with the name {name}"))?;
        }
    }
    let answer = rig
        .call("ADD", &ns)
        .key("network", json!("nowhere"))
        .run()?;
    answer
        .refused(7, &["nowhere", "web", "db"])
        .context("a network that the node lacks")?;
    rig.same_as(&before)
}

pub(super) fn not_json(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let ns = rig.container("json")?;
    let before = Snapshot::take(&rig)?;
    let twice = r#"{"cniVersion":"1.1.0","name":"web","name":"db","type":"flatnet"}"#;
    let inputs = [
        "", "  \n", "{", "{]", "nonsense", "[]", "\"text\"", "null", "7", twice,
    ];
    for command in ["ADD", "CHECK", "DEL", "GC", "STATUS"] {
        for input in inputs {
            let answer = rig.call(command, &ns).stdin(input).run()?;
            let object = answer
                .refused(6, &[])
                .with_context(|| format!("{command} <<< {input}"))?;
            ensure!(
                object["cniVersion"] == "1.1.0",
                "an error has a version: {object}"
            );
        }
    }
    let answer = rig.call("ADD", &ns).stdin(*b"{\"name\":\"\xff\"}").run()?;
    answer
        .refused(6, &["UTF-8"])
        .context("stdin that is not UTF-8")?;
    let answer = rig.call("ADD", &ns).key("cniVersion", json!(1.1)).run()?;
    answer
        .refused(6, &["cniVersion"])
        .context("a version that is a number")?;
    rig.same_as(&before)
}

pub(super) fn versions(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let ns = rig.container("versions")?;
    let before = Snapshot::take(&rig)?;
    for version in ["0.3", "1.2.0", "2.0.0", "latest", "1.1.0 ", "v1.0.0"] {
        for command in ["ADD", "CHECK", "DEL", "GC", "STATUS"] {
            let answer = rig
                .call(command, &ns)
                .key("cniVersion", json!(version))
                .run()?;
            let refused = answer.refused(1, &[version, "0.1.0", "0.4.0", "1.1.0"]);
            refused.with_context(|| format!("{command} in version {version}"))?;
        }
    }
    // Before there was such a command, there is none.
    for (command, version) in [("CHECK", "0.3.1"), ("GC", "1.0.0"), ("STATUS", "0.4.0")] {
        let answer = rig
            .call(command, &ns)
            .key("cniVersion", json!(version))
            .run()?;
        let object = answer.refused(1, &[version, command])?;
        ensure!(
            object["cniVersion"] == version,
            "the error is of version {version}: {object}"
        );
    }
    rig.same_as(&before)
}

pub(super) fn unsupported(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let ns = rig.container("unsupported")?;
    let before = Snapshot::take(&rig)?;
    let cases: [(&str, Value, &[&str]); 3] = [
        (
            "ipam",
            json!({"type": "host-local"}),
            &["ipam.type", "host-local"],
        ),
        ("ipMasq", json!(true), &["ipMasq", "true"]),
        (
            "routes",
            json!([{"dst": "10.0.0.0/8", "table": 77}]),
            &["table", "77"],
        ),
    ];
    for (key, value, words) in cases {
        let answer = rig.call("ADD", &ns).key(key, value).run()?;
        answer.refused(2, words).with_context(|| key.to_owned())?;
    }
    rig.same_as(&before)
}
