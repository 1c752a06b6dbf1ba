//! Work on many kernels at once.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::args::JobArgs;
use crate::output::Progress;

/// How many kernels at once.
pub(crate) fn limit(args: &JobArgs) -> NonZeroUsize {
    (args.jobs)
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

/// `work` for each number below `count`, in that order, by as many threads as `args` say.
pub(crate) fn parallel<T: Send>(
    args: &JobArgs,
    count: usize,
    progress: &Progress,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(count));
    let one = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                break;
            }
            let result = work(at);
            let mut done = done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            done.push((at, result));
            progress.set(done.len(), count);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..limit(args).get().min(count) {
            scope.spawn(one);
        }
        one();
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
