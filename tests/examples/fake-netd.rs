//! Answers 200 to everything on the socket of netd, or of ipamd: so that the lab's care for them is
//! tested without one.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let socket = args.iter().skip_while(|a| *a != "--socket").nth(1);
    let socket = socket.ok_or_else(|| std::io::Error::other("no --socket"))?;
    let _ = std::fs::remove_file(socket);
    for stream in UnixListener::bind(socket)?.incoming() {
        let mut stream = stream?;
        // One read is one request: only the lab asks. Who hangs up early is no concern.
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
    }
    Ok(())
}
