//! A minimal HTTP/1.1 client: one request and its answer on a unix socket (RFC 9112).

use std::io::{self, Read, Write};

use thiserror::Error;

/// The most bytes of an answer's body: a GC of a full node lists thousands of attachments.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The most bytes of an answer's head, and of a chunk's size line.
const HEAD_LIMIT: usize = 16 * 1024;

/// The most header fields of an answer.
const HEADER_LIMIT: usize = 64;

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Invalid or incomplete response.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Reading failed, or ended too early ([`io::ErrorKind::UnexpectedEof`]).
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The head is not HTTP.
    #[error("it is not HTTP/1.1: {0}")]
    Head(httparse::Error),
    /// The head, or a chunk's size line, is longer than 16 KiB.
    #[error("its head is longer than {HEAD_LIMIT} bytes")]
    HeadTooLong,
    /// The body is longer than [`BODY_LIMIT`].
    #[error("it is longer than {BODY_LIMIT} bytes")]
    BodyTooLong,
    /// The length of the body is unclear (RFC 9112 §6.3).
    #[error("the length of its body is unclear")]
    Framing,
}

/// Sends a POST of JSON and reads the answer.
///
/// # Errors
/// [`HttpError`]. A failed write is not one as such: a server may answer before it has read
/// everything, and close; that answer is the better explanation.
pub fn post(
    stream: &mut (impl Read + Write),
    path: &str,
    body: &[u8],
) -> Result<Response, HttpError> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: netd\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // One write for both: one wake-up of the other side.
    let mut request = head.into_bytes();
    request.extend_from_slice(body);
    let written = stream.write_all(&request);
    match (read_response(stream), written) {
        (Ok(response), _) => Ok(response),
        (Err(_), Err(e)) => Err(e.into()),
        (Err(e), Ok(())) => Err(e),
    }
}

/// How the length of a body is determined (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// Reads one answer.
///
/// # Errors
/// [`HttpError`].
pub fn read_response(reader: &mut impl Read) -> Result<Response, HttpError> {
    let mut source = Source {
        reader,
        buffer: Vec::new(),
        taken: 0,
    };
    let (status, framing) = loop {
        if let Some(head) = source.head()? {
            break head;
        }
        source.fill_line()?;
    };
    let body = match framing {
        Framing::Length(length) => source.take(length)?,
        Framing::Chunked => source.chunks()?,
        Framing::UntilClose => source.until_close()?,
    };
    Ok(Response { status, body })
}

/// A reader with a buffer. The bytes before `taken` have been used.
struct Source<'a, R> {
    reader: &'a mut R,
    buffer: Vec<u8>,
    taken: usize,
}

impl<R: Read> Source<'_, R> {
    fn unused(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Reads more bytes; returns 0 at the end of the stream.
    fn fill(&mut self) -> Result<usize, io::Error> {
        let mut piece = [0; 8 * 1024];
        loop {
            match self.reader.read(&mut piece) {
                Ok(n) => {
                    self.buffer.extend_from_slice(&piece[..n]);
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads more bytes; the end of the stream is an error.
    fn fill_some(&mut self) -> Result<(), HttpError> {
        match self.fill()? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    /// Reads more bytes of a head or a size line, of at most [`HEAD_LIMIT`].
    fn fill_line(&mut self) -> Result<(), HttpError> {
        if self.unused().len() > HEAD_LIMIT {
            return Err(HttpError::HeadTooLong);
        }
        self.fill_some()
    }

    /// The status and framing, if the head is complete.
    fn head(&mut self) -> Result<Option<(u16, Framing)>, HttpError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response
            .parse(&self.buffer[self.taken..])
            .map_err(HttpError::Head)?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let status = response.code.unwrap_or_default();
        let framing = framing(status, response.headers)?;
        self.taken += length;
        Ok(Some((status, framing)))
    }

    /// Exactly `length` bytes.
    fn take(&mut self, length: usize) -> Result<Vec<u8>, HttpError> {
        if length > BODY_LIMIT {
            return Err(HttpError::BodyTooLong);
        }
        while self.unused().len() < length {
            self.fill_some()?;
        }
        let end = self.taken + length;
        let bytes = self.buffer[self.taken..end].to_vec();
        self.taken = end;
        Ok(bytes)
    }

    /// All bytes until the connection is closed.
    fn until_close(&mut self) -> Result<Vec<u8>, HttpError> {
        while self.fill()? > 0 {
            if self.unused().len() > BODY_LIMIT {
                return Err(HttpError::BodyTooLong);
            }
        }
        Ok(self.buffer.split_off(self.taken))
    }

    /// A chunked body (RFC 9112 §7.1); trailers are left unread, since the connection ends.
    fn chunks(&mut self) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        loop {
            let size = self.chunk_size()?;
            if size == 0 {
                return Ok(body);
            }
            if size > BODY_LIMIT - body.len() {
                return Err(HttpError::BodyTooLong);
            }
            body.extend(self.take(size)?);
            if self.take(2)? != b"\r\n" {
                return Err(HttpError::Framing);
            }
            // Frees the used bytes.
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
    }

    fn chunk_size(&mut self) -> Result<usize, HttpError> {
        loop {
            match httparse::parse_chunk_size(self.unused()) {
                Ok(httparse::Status::Complete((used, size))) => {
                    self.taken += used;
                    return usize::try_from(size).map_err(|_| HttpError::BodyTooLong);
                }
                Ok(httparse::Status::Partial) => self.fill_line()?,
                Err(_) => return Err(HttpError::Framing),
            }
        }
    }
}

/// How the body ends (RFC 9112 §6.3). Both a length and an encoding, or two lengths that
/// differ, are refused rather than guessed about.
fn framing(status: u16, headers: &[httparse::Header<'_>]) -> Result<Framing, HttpError> {
    if matches!(status, 204 | 304) {
        return Ok(Framing::Length(0));
    }
    let mut framing = Framing::UntilClose;
    for header in headers {
        let found = if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).map_err(|_| HttpError::Framing)?;
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
                return Err(HttpError::Framing);
            }
            Framing::Length(text.parse().map_err(|_| HttpError::BodyTooLong)?)
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if !header.value.eq_ignore_ascii_case(b"chunked") {
                return Err(HttpError::Framing);
            }
            Framing::Chunked
        } else {
            continue;
        };
        if framing != Framing::UntilClose && framing != found {
            return Err(HttpError::Framing);
        }
        framing = found;
    }
    Ok(framing)
}

#[cfg(test)]
mod tests;
