//! Deleting links.
//!
//! The request is done by a thread of its own, which the kernel holds until every processor
//! has let go of the device (some 20 ms). The link is out of reach long before: the kernel
//! says so to the link group, and that is what the caller waits for.

use std::time::Duration;

use flatnet_types::IfName;
use nix::errno::Errno;
use tokio::sync::oneshot;

use crate::error::{Attempt, Fault, LinkError};
use crate::ioctl;
use crate::message::link;
use crate::monitor::Monitor;
use crate::pool::{Pool, Worker};
use crate::veth::classify;
use crate::view::Deleted;

/// Deletes the link and waits until it is gone.
pub(crate) async fn delete(
    pool: &Pool,
    monitor: &Monitor,
    name: &IfName,
    ifindex: Option<u32>,
    timeout: Duration,
) -> Result<Deleted, LinkError> {
    let attempted = || format!("deleting {name}");
    // The first of two answers counts: the announcement, or the request's own.
    let (announced, mut announcement) = oneshot::channel();
    let (done, mut result) = oneshot::channel();
    let (monitor, wanted) = (monitor.handle(), name.clone());
    pool.submit(Box::new(move |worker: &mut Worker| {
        if !done.is_closed() {
            let _ = done.send(request(worker, &wanted, ifindex, |index| {
                monitor.expect(index, announced);
            }));
        }
    }))
    .attempting(attempted)?;

    let first = async {
        tokio::select! {
            biased;
            answer = &mut result => answer.map_err(|_| Fault::Stopped).and_then(|r| r),
            Ok(()) = &mut announcement => Ok(true),
        }
    };
    match tokio::time::timeout(timeout, first).await {
        Ok(Ok(existed)) => Ok(Deleted { existed }),
        Ok(Err(fault)) => Err(classify(fault, attempted)),
        Err(_) => Err(LinkError::TimedOut {
            name: name.clone(),
            after: timeout,
        }),
    }
}

/// Sends the request; `false` if there is no such link. `expect` is called with the link's
/// index before the request is sent, since the announcement comes before its answer.
fn request(
    worker: &mut Worker,
    name: &IfName,
    ifindex: Option<u32>,
    expect: impl FnOnce(u32),
) -> Result<bool, Fault> {
    worker.at_home(|socket| {
        let index = match ifindex {
            Some(index) => {
                let found = ioctl::name_of(&*socket, index)?;
                if found.as_deref() != Some(name.as_str()) {
                    return Ok(false);
                }
                index
            }
            None => match ioctl::index_of(&*socket, name)? {
                Some(index) => index,
                None => return Ok(false),
            },
        };
        expect(index);
        match socket.request(link::delete(index)) {
            Ok(()) => Ok(true),
            // Someone else was faster.
            Err(fault) if fault.refusal() == Some(Errno::ENODEV) => Ok(false),
            Err(fault) => Err(fault),
        }
    })
}
