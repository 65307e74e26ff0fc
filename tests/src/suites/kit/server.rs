//! A thread that serves until the value that stands for it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Serves turn by turn on a thread of its own.
#[derive(Debug)]
pub(in crate::suites) struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Begins. A turn has to end within moments also where nobody calls: a drop waits for it.
    pub(in crate::suites) fn start(mut turn: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                turn();
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A turn that panicked has printed why.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn it_serves_until_it_is_dropped_and_not_after() {
        let (turn, turns) = mpsc::sync_channel(0);
        let server = Server::start(move || {
            // Who listens no more is what the test is about.
            let _ = turn.send(());
        });
        for _ in 0..3 {
            turns.recv().expect("a turn");
        }
        drop(turns);
        drop(server);
    }
}
