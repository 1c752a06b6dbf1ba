//! What is timed: this program again, as a separate process.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfhub_build::archive::{self, Archive};
use btfhub_build::{Builder, Generated};

/// One piece of work.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// Only decodes if there is none.
    pub(crate) object: Option<PathBuf>,
    pub(crate) archive: PathBuf,
    pub(crate) jobs: usize,
    /// A pattern of kernels.
    pub(crate) include: String,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) pin: Option<String>,
}

impl Work {
    /// All kernels of an archive, with one job.
    pub(crate) fn new(archive: &Path, object: Option<&Path>) -> Self {
        Self {
            object: object.map(Path::to_owned),
            archive: archive.to_owned(),
            jobs: 1,
            include: "*".to_owned(),
            cache: None,
            pin: None,
        }
    }

    /// The process that does it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .arg("work")
            .arg(&self.archive)
            .arg(self.jobs.to_string())
            .arg(&self.include);
        command.arg(self.object.as_deref().unwrap_or(Path::new("")));
        command.arg(self.cache.as_deref().unwrap_or(Path::new("")));
        command.arg(self.pin.as_deref().unwrap_or_default());
        command
    }

    pub(crate) fn builder(&self) -> Builder {
        let mut builder = Builder::new()
            .archive(&self.archive)
            .include(&self.include)
            .jobs(NonZeroUsize::new(self.jobs).expect("a job"));
        if let Some(object) = &self.object {
            builder = builder.object(object);
        }
        if let Some(pin) = &self.pin {
            builder = match pin.strip_prefix("lock:") {
                Some(file) => builder.lock(file),
                None => builder.pin(pin),
            };
        }
        if let Some(cache) = &self.cache {
            builder = builder.cache_dir(cache);
        }
        builder
    }

    fn decode(&self) {
        let scan = Archive::scan(&self.archive).expect("an archive");
        let filter = archive::Filter::new(&self.include).expect("a filter");
        let wanted = |entry: &&archive::Entry| filter.matches(&entry.kernel());
        let entries: Vec<_> = scan.entries().iter().filter(wanted).collect();
        let next = AtomicUsize::new(0);
        let one = || {
            while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                let bytes = std::fs::read(entry.file()).expect("an entry");
                archive::decode(&bytes, archive::DEFAULT_LIMIT).expect("an entry");
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(one);
            }
        });
    }

    pub(crate) fn tailor(&self) -> Generated {
        self.builder()
            .generate()
            .unwrap_or_else(|error| panic!("{error:?}"))
    }
}

/// The other side of [`Work::command`].
pub(crate) fn run(arguments: &[String]) {
    let [archive, jobs, include, object, cache, pin] = arguments else {
        panic!("work ARCHIVE JOBS INCLUDE OBJECT CACHE PIN");
    };
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let work = Work {
        object: given(object).map(PathBuf::from),
        archive: PathBuf::from(archive),
        jobs: jobs.parse().expect("a number of jobs"),
        include: include.clone(),
        cache: given(cache).map(PathBuf::from),
        pin: given(pin),
    };
    if work.object.is_none() {
        return work.decode();
    }
    let generated = work.tailor();
    eprintln!(
        "{} kernels, {} classes, {} bytes, {} decoded",
        generated.kernels().len(),
        generated.class_count(),
        generated.bundle().len(),
        generated.decoded_entries()
    );
}
