use proptest::prelude::*;

use super::*;

/// Gives its bytes in pieces of one size, as a socket may.
struct Pieces<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.size.min(self.bytes.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes = &self.bytes[n..];
        Ok(n)
    }
}

fn read(bytes: &[u8]) -> Result<Response, HttpError> {
    read_response(&mut Pieces {
        bytes,
        size: bytes.len().max(1),
    })
}

fn body(bytes: &[u8]) -> Vec<u8> {
    read(bytes).expect("an answer").body
}

#[test]
fn the_three_ways_to_end_a_body_are_understood() {
    assert_eq!(
        body(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}xx"),
        b"{}"
    );
    assert_eq!(body(b"HTTP/1.1 200 OK\r\n\r\n{ }"), b"{ }");
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n\
        3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\n\r\n";
    assert_eq!(body(chunked), b"{\"a\":1}");
    assert_eq!(body(b"HTTP/1.1 204 No Content\r\n\r\n"), b"");
}

#[test]
fn a_status_other_than_200_is_an_answer_too() {
    let response = read(b"HTTP/1.1 503 x\r\ncontent-length: 1\r\n\r\nn").expect("an answer");
    assert_eq!(
        response,
        Response {
            status: 503,
            body: b"n".to_vec()
        }
    );
}

#[test]
fn a_body_whose_length_is_unclear_is_refused() {
    for head in [
        "content-length: 1\r\ncontent-length: 2",
        "content-length: 1\r\ntransfer-encoding: chunked",
        "content-length: +1",
        "content-length: -1",
        "content-length:",
        "transfer-encoding: gzip",
        "transfer-encoding: gzip, chunked",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nxx");
        assert!(
            matches!(read(answer.as_bytes()), Err(HttpError::Framing)),
            "{head}"
        );
    }
    let chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n";
    assert!(matches!(read(chunk), Err(HttpError::Framing)));
}

#[test]
fn an_answer_without_end_is_not_read_for_ever() {
    let huge = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        BODY_LIMIT + 1
    );
    assert!(matches!(read(huge.as_bytes()), Err(HttpError::BodyTooLong)));
    let overflow = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n";
    assert!(matches!(read(overflow), Err(HttpError::BodyTooLong)));
    let chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n";
    assert!(matches!(read(chunk), Err(HttpError::BodyTooLong)));

    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".chain(io::repeat(b'x'));
    assert!(matches!(
        read_response(&mut endless),
        Err(HttpError::BodyTooLong)
    ));
    let mut head = b"HTTP/1.1 200 OK\r\na: ".chain(io::repeat(b'x'));
    assert!(matches!(
        read_response(&mut head),
        Err(HttpError::HeadTooLong)
    ));
    let mut size =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;".chain(io::repeat(b'x'));
    assert!(matches!(
        read_response(&mut size),
        Err(HttpError::HeadTooLong)
    ));
}

#[test]
fn an_answer_that_breaks_off_is_an_early_end() {
    let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    for length in 0..whole.len() {
        let Err(HttpError::Io(e)) = read(&whole[..length]) else {
            panic!("{length} bytes were an answer");
        };
        assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn what_is_not_http_is_refused() {
    for garbage in [
        &b"SSH-2.0-x\r\n\r\n"[..],
        b"\0\0\0\0\0\0\0\0",
        b"{\"code\":1}\r\n\r\n",
    ] {
        assert!(
            matches!(read(garbage), Err(HttpError::Head(_))),
            "{garbage:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, size in 1_usize..20) {
        let _ = read_response(&mut Pieces { bytes: &bytes, size });
    }

    #[test]
    fn no_body_after_a_sound_head_makes_the_reader_panic(
        head in prop::sample::select(vec![
            "content-length: 7", "transfer-encoding: chunked", "connection: close",
        ]),
        bytes: Vec<u8>,
        size in 1_usize..20,
    ) {
        let mut answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").into_bytes();
        answer.extend(bytes);
        let _ = read_response(&mut Pieces { bytes: &answer, size });
    }

    #[test]
    fn how_a_socket_cuts_an_answer_does_not_matter(
        body in prop::collection::vec(any::<u8>(), 0..200),
        chunk in 1_usize..50,
        size in 1_usize..50,
    ) {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for piece in body.chunks(chunk) {
            answer.extend(format!("{:x}\r\n", piece.len()).bytes());
            answer.extend(piece);
            answer.extend(b"\r\n");
        }
        answer.extend(b"0\r\n\r\n");
        let response = read_response(&mut Pieces { bytes: &answer, size }).expect("an answer");
        prop_assert_eq!(response.body, body);
    }
}
