//! Work on tables: one writer a VPC, and the writers side by side.

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::future::join_all;

/// Does the work on each item. Those of one writer are taken one after the other, since the
/// API refuses a second write in a VPC; the writers do not wait for each other. The results
/// have the items' order.
///
/// Cancel safety: what was begun is dropped where it stands, as if the process had ended.
pub(super) async fn by_writer<T, R, F>(items: Vec<(String, T)>, work: impl Fn(T) -> F) -> Vec<R>
where
    F: Future<Output = R>,
{
    let mut queues: BTreeMap<String, Vec<(usize, T)>> = BTreeMap::new();
    for (at, (writer, item)) in items.into_iter().enumerate() {
        queues.entry(writer).or_default().push((at, item));
    }
    let work = &work;
    let queues = queues.into_values().map(|queue| async move {
        let mut done = Vec::new();
        for (at, item) in queue {
            done.push((at, work(item).await));
        }
        done
    });
    let mut done: Vec<(usize, R)> = join_all(queues).await.into_iter().flatten().collect();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_writers_tables_are_taken_in_turn_and_a_slow_writer_keeps_none_waiting() {
        let log = Mutex::new(Vec::new());
        let items = [("a", 1, 100), ("b", 2, 5), ("a", 3, 1), ("b", 4, 5)];
        let items = items.map(|(writer, item, ms)| (writer.to_owned(), (item, ms)));
        let log = &log;
        let results = by_writer(items.to_vec(), |(item, ms)| async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            log.lock().unwrap().push(item);
            item * 10
        });
        assert_eq!(results.await, [10, 20, 30, 40]);
        assert_eq!(*log.lock().unwrap(), [2, 4, 1, 3]);
    }
}
