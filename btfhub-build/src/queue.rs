//! A fixed number of threads working through numbered pieces of work.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Calls `work` for every number below `count` on `jobs` threads, and `collect` on the calling
/// thread with each result as it comes. A piece of work is dropped before its thread takes the
/// next one, so `jobs` bounds the memory.
///
/// # Errors
/// The first error that `collect` returns; work that has not begun is skipped.
pub(crate) fn run<T: Send, E>(
    jobs: NonZeroUsize,
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut collect: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let threads = jobs.get().min(count);
    thread::scope(|scope| {
        // As many results as there are threads may wait for collection.
        let (sender, results) = mpsc::sync_channel(threads);
        for _ in 0..threads {
            let (sender, next, stop, work) = (sender.clone(), &next, &stop, &work);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count || sender.send((at, work(at))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (at, result) in results {
            if let Err(error) = collect(at, result) {
                stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::run;
    use std::num::NonZeroUsize;

    #[test]
    fn every_piece_once_whatever_the_jobs() {
        for jobs in [1, 2, 7, usize::MAX].map(NonZeroUsize::new) {
            let mut seen = vec![0; 100];
            let jobs = jobs.unwrap_or(NonZeroUsize::MIN);
            let done = run(
                jobs,
                100,
                |at| at * at,
                |at, square| {
                    assert_eq!(square, at * at);
                    seen[at] += 1;
                    Ok::<(), ()>(())
                },
            );
            assert_eq!(done, Ok(()));
            assert_eq!(seen, [1; 100]);
        }
    }

    #[test]
    fn an_error_ends_it() {
        let jobs = NonZeroUsize::new(3).unwrap_or(NonZeroUsize::MIN);
        let done = run(
            jobs,
            1_000_000,
            |at| at,
            |at, _| if at == 5 { Err(at) } else { Ok(()) },
        );
        assert_eq!(done, Err(5));
    }
}
