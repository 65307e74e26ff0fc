//! OS threads for what blocks: netlink requests, and visits to other namespaces.
//!
//! Threads are started when work waits and none is idle, up to a bound, and live until the
//! pool is dropped. Each is in the home namespace whenever it takes a job; one that could
//! not return there ends and is never used again.

use std::collections::VecDeque;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use tokio::sync::oneshot;

use crate::error::Fault;
use crate::identity::{NetnsId, THREAD_NETNS};
use crate::socket::RouteSocket;

/// Bytes of a worker's stack: the jobs are shallow.
const STACK: usize = 256 * 1024;

/// Jobs that may wait: far more than a node's pods attach at once, and little memory.
const QUEUE_MAX: usize = 4096;

type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// What a worker's thread owns.
pub(crate) struct Worker {
    home: Arc<OwnedFd>,
    socket: Option<RouteSocket>,
    /// The thread may be in a foreign namespace: it must end.
    lost: bool,
}

impl Worker {
    /// Runs `f` with this thread's socket in the home namespace; after a failure of the
    /// socket itself, the next call gets a new one.
    pub(crate) fn at_home<T>(
        &mut self,
        f: impl FnOnce(&mut RouteSocket) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => RouteSocket::open()?,
        };
        let result = f(&mut socket);
        if result.as_ref().err().is_none_or(|e| e.refusal().is_some()) {
            self.socket = Some(socket);
        }
        result
    }

    /// Runs `f` while this thread is in the namespace `netns`, and comes back.
    ///
    /// # Errors
    /// [`Fault::Namespace`] if it could not be entered.
    pub(crate) fn visit<T>(
        &mut self,
        netns: BorrowedFd<'_>,
        f: impl FnOnce() -> T,
    ) -> Result<T, Fault> {
        setns(netns, CloneFlags::CLONE_NEWNET).map_err(|errno| Fault::Namespace { errno })?;
        // Back even if `f` panics.
        let _abroad = Abroad(self);
        Ok(f())
    }

    /// The home namespace, for messages that name it by descriptor.
    pub(crate) fn home_handle(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.home)
    }
}

struct Abroad<'a>(&'a mut Worker);

impl Drop for Abroad<'_> {
    fn drop(&mut self) {
        if let Err(errno) = setns(&self.0.home, CloneFlags::CLONE_NEWNET) {
            tracing::error!(%errno, "a worker could not return to its own network namespace");
            self.0.lost = true;
        }
    }
}

struct State {
    queue: VecDeque<Job>,
    idle: usize,
    threads: usize,
    stopped: bool,
}

struct Shared {
    name: &'static str,
    max: usize,
    home: Arc<OwnedFd>,
    state: Mutex<State>,
    wake: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bounded pool of worker threads.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// A pool whose threads live in the namespace `home`; none is started yet.
    pub(crate) fn new(name: &'static str, max: usize, home: Arc<OwnedFd>) -> Self {
        Self {
            shared: Arc::new(Shared {
                name,
                max,
                home,
                state: Mutex::new(State {
                    queue: VecDeque::new(),
                    idle: 0,
                    threads: 0,
                    stopped: false,
                }),
                wake: Condvar::new(),
            }),
        }
    }

    /// Runs `f` on a worker and waits for what it returns.
    ///
    /// Cancel safety: if the future is dropped before a worker took `f`, it is never run;
    /// after that it runs to its end and its result is dropped.
    ///
    /// # Errors
    /// [`Fault::Busy`] if too many wait, [`Fault::Stopped`] if the worker died.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let (done, result) = oneshot::channel();
        self.submit(Box::new(move |worker| {
            if !done.is_closed() {
                // Whoever asked may be gone by now.
                let _ = done.send(f(worker));
            }
        }))?;
        result.await.map_err(|_| Fault::Stopped)
    }

    /// Queues `job`.
    ///
    /// # Errors
    /// [`Fault::Busy`] if too many wait; [`Fault::Syscall`] if there is no thread and none
    /// can be started.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Fault> {
        let start = {
            let mut state = self.shared.state();
            if state.queue.len() >= QUEUE_MAX {
                return Err(Fault::Busy(state.queue.len()));
            }
            state.queue.push_back(job);
            let start = state.queue.len() > state.idle && state.threads < self.shared.max;
            state.threads += usize::from(start);
            start
        };
        self.shared.wake.notify_one();
        if start && let Err(fault) = self.start_thread() {
            let mut state = self.shared.state();
            state.threads -= 1;
            if state.threads == 0 {
                state.queue.pop_back();
                return Err(fault);
            }
        }
        Ok(())
    }

    fn start_thread(&self) -> Result<(), Fault> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name(self.shared.name.to_owned())
            .stack_size(STACK)
            .spawn(move || work(&shared))
            .map(drop)
            .map_err(|e| Fault::Syscall {
                during: "starting a thread",
                errno: Errno::from_raw(e.raw_os_error().unwrap_or(0)),
            })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let queue = {
            let mut state = self.shared.state();
            state.stopped = true;
            std::mem::take(&mut state.queue)
        };
        drop(queue);
        self.shared.wake.notify_all();
    }
}

/// A worker's life.
fn work(shared: &Shared) {
    let mut worker = Worker {
        home: Arc::clone(&shared.home),
        socket: None,
        lost: false,
    };
    // A thread begins where the one that started it is, which need not be home.
    let at_home = NetnsId::at(THREAD_NETNS).ok() == NetnsId::of(&worker.home).ok();
    if !at_home && let Err(errno) = setns(&worker.home, CloneFlags::CLONE_NEWNET) {
        tracing::error!(%errno, "a new worker could not enter its own network namespace");
        worker.lost = true;
    }
    loop {
        let job = {
            let mut state = shared.state();
            state.idle += 1;
            loop {
                if state.stopped || worker.lost {
                    state.idle -= 1;
                    state.threads -= 1;
                    return;
                }
                if let Some(job) = state.queue.pop_front() {
                    state.idle -= 1;
                    break job;
                }
                state = shared
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        };
        if catch_unwind(AssertUnwindSafe(|| job(&mut worker))).is_err() {
            // The one who waits sees that the worker is gone; the thread itself is sound,
            // but its socket may be in the middle of an answer.
            tracing::error!("a job of the kernel adapter panicked");
            worker.socket = None;
        }
    }
}

#[cfg(test)]
#[path = "pool/tests.rs"]
mod tests;
