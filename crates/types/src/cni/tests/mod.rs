//! Tests of CNI's types through what the plugin calls.

mod call;
mod config;
mod hostile;
mod results;
mod versions;

use super::{AttachConf, CniArgs, Document, InputError, NetConf};

fn document(text: &str) -> Document {
    Document::parse(text.as_bytes()).expect("a document")
}

fn net_conf(text: &str) -> Result<NetConf, InputError> {
    document(text).net_conf()
}

/// The ADD part of a configuration whose other keys are these.
fn attach(keys: &str) -> Result<AttachConf, InputError> {
    attach_with(keys, "")
}

fn attach_with(keys: &str, args: &str) -> Result<AttachConf, InputError> {
    let text = format!(r#"{{"cniVersion":"1.1.0","name":"pods","type":"flatnet",{keys}}}"#);
    document(&text).attach_conf(CniArgs::parse(args)?)
}
