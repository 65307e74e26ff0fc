use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn frames(framer: &mut JsonFramer) -> Result<Vec<Bytes>, FrameError> {
    let mut out = Vec::new();
    while let Some(frame) = framer.next_frame()? {
        out.push(frame);
    }
    Ok(out)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\\\\"{}\\[\\]]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_messages(
        values in prop::collection::vec(any_json(), 1..5),
        blanks in "[ \n\t\r]{0,3}",
        cuts in prop::collection::vec(1usize..40, 1..80),
    ) {
        let messages: Vec<Value> = values.into_iter().map(|v| json!({"v": v})).collect();
        let mut stream = Vec::new();
        for m in &messages {
            stream.extend_from_slice(blanks.as_bytes());
            stream.extend_from_slice(m.to_string().as_bytes());
        }
        let mut framer = JsonFramer::new(Limits::default());
        let mut got = Vec::new();
        let mut rest = stream.as_slice();
        let mut cuts = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
            framer.push(now);
            got.extend(frames(&mut framer).expect("well-formed"));
            rest = later;
        }
        let got: Vec<Value> =
            got.iter().map(|f| serde_json::from_slice(f).expect("JSON")).collect();
        prop_assert_eq!(got, messages);
    }

    #[test]
    fn garbage_never_panics_and_never_loops(bytes: Vec<u8>, cut in 1usize..16) {
        let mut framer = JsonFramer::new(Limits { message_bytes: 64, depth: 4 });
        for chunk in bytes.chunks(cut) {
            framer.push(chunk);
            if frames(&mut framer).is_err() {
                prop_assert!(framer.next_frame().is_err(), "an error is final");
            }
        }
    }
}

#[test]
fn a_message_cut_at_every_byte_is_whole() {
    let message = br#"{"method":"echo","params":["\\\"}]",{}],"id":"e"}"#;
    for cut in 0..message.len() {
        let mut framer = JsonFramer::new(Limits::default());
        framer.push(&message[..cut]);
        assert_eq!(framer.next_frame(), Ok(None), "cut at {cut}");
        framer.push(&message[cut..]);
        assert_eq!(framer.next_frame(), Ok(Some(Bytes::from_static(message))));
        assert_eq!(framer.next_frame(), Ok(None));
    }
}

#[test]
fn what_is_no_object_is_refused_with_its_place() {
    let mut framer = JsonFramer::new(Limits::default());
    framer.push(b"{} \nHTTP/1.1");
    assert_eq!(framer.next_frame(), Ok(Some(Bytes::from_static(b"{}"))));
    let error = FrameError::Garbage {
        byte: b'H',
        offset: 4,
    };
    assert_eq!(framer.next_frame(), Err(error.clone()));
    framer.push(b"{}");
    assert_eq!(framer.next_frame(), Err(error));
}

#[test]
fn brackets_must_match() {
    let mut framer = JsonFramer::new(Limits::default());
    framer.push(b"{[}");
    assert_eq!(
        framer.next_frame(),
        Err(FrameError::Unbalanced {
            byte: b'}',
            offset: 2
        })
    );
}

#[test]
fn limits_hold_before_a_message_is_complete() {
    let limits = Limits {
        message_bytes: 8,
        depth: 2,
    };
    let mut framer = JsonFramer::new(limits);
    framer.push(b"{\"123456789");
    assert_eq!(framer.next_frame(), Err(FrameError::TooLong { limit: 8 }));
    let mut framer = JsonFramer::new(limits);
    framer.push(b"{[[");
    assert_eq!(framer.next_frame(), Err(FrameError::TooDeep { limit: 2 }));
    let mut framer = JsonFramer::new(limits);
    framer.push(b"{\"a\":12}");
    assert_eq!(
        framer.next_frame(),
        Ok(Some(Bytes::from_static(b"{\"a\":12}"))),
        "eight bytes are allowed"
    );
}
