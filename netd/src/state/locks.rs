//! One lock for each attachment: only one call or repair works on it at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use flatnet_types::AttachmentKey;
use tokio::sync::OwnedMutexGuard;

/// A lock for each attachment that is being worked on; entries without a user are removed.
#[derive(Default)]
pub(super) struct KeyLocks(Mutex<HashMap<AttachmentKey, Arc<tokio::sync::Mutex<()>>>>);

/// The lock of an attachment, released when it is dropped.
pub struct KeyGuard<'l> {
    locks: &'l KeyLocks,
    key: AttachmentKey,
    held: Option<OwnedMutexGuard<()>>,
}

impl KeyLocks {
    pub(super) async fn lock(&self, key: &AttachmentKey) -> KeyGuard<'_> {
        let lock = {
            let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(map.entry(key.clone()).or_default())
        };
        KeyGuard {
            locks: self,
            key: key.clone(),
            held: Some(lock.lock_owned().await),
        }
    }

    pub(super) fn try_lock(&self, key: &AttachmentKey) -> Option<KeyGuard<'_>> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = Arc::clone(map.entry(key.clone()).or_default());
        Some(KeyGuard {
            locks: self,
            key: key.clone(),
            held: Some(lock.try_lock_owned().ok()?),
        })
    }
}

impl Drop for KeyGuard<'_> {
    fn drop(&mut self) {
        let mut map = self.locks.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.held = None;
        // A count of 1 is the map's own reference: nobody holds the lock or waits for it.
        if map
            .get(&self.key)
            .is_some_and(|l| Arc::strong_count(l) == 1)
        {
            map.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_that_nobody_holds_leaves_nothing_behind() {
        let locks = KeyLocks::default();
        let key = AttachmentKey {
            network: "web".parse().expect("name"),
            container_id: "c1".parse().expect("name"),
            ifname: "eth0".parse().expect("name"),
        };
        let first = locks.lock(&key).await;
        let second = locks.lock(&key);
        tokio::pin!(second);
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        drop(second.await);
        assert!(locks.0.lock().expect("lock").is_empty());
    }
}
