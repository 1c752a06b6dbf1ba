//! The stages for a part of the kernels: up to a shard and its proof.

use super::collector::Processed;
use super::progress::Progress;
use super::{Builder, kernels, objects};
use crate::classes;
use crate::error::Error;
use crate::relo::Relocations;
use crate::shard::{List, Row, Shard, ShardFile};

impl Builder {
    /// Does one part of the work of [`generate`](Self::generate).
    /// [`shard::merge`](crate::shard::merge) joins the parts, so any number of machines can
    /// work on one bundle.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), btfhub_build::Error> {
    /// use btfhub_build::Builder;
    /// use btfhub_build::shard::{self, Shard, ShardFile};
    ///
    /// let builder = Builder::new().archive("/srv/btfhub-archive").object("probe.bpf.o");
    /// // In each job:
    /// let second_of_four: Shard = "2/4".parse()?;
    /// builder.generate_shard(second_of_four, |_| ())?.write_to("probe.2.shard")?;
    /// // When all are done:
    /// let files = (1..=4).map(|k| ShardFile::read(format!("probe.{k}.shard")));
    /// let shards = files.collect::<Result<Vec<_>, _>>()?;
    /// shard::merge(&shards)?.write_to("probe.btfhub")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`generate`](Self::generate), for the kernels of this part; what is
    /// wrong with an archive as a whole is an error in each.
    pub fn generate_shard(
        &self,
        shard: Shard,
        mut progress: impl FnMut(Progress),
    ) -> Result<ShardFile, Error> {
        let objects = objects::load(&self.objects)?;
        let relocations = Relocations::from_objects(objects.iter().map(|loaded| &loaded.object));
        let tailor = self.tailor(&relocations);
        let mut chosen = kernels::choose(self)?;
        let all = chosen.entries.iter();
        let list = List::of(all.map(|chosen| (chosen.archive, &chosen.entry, chosen.entry.size())));
        chosen.divide(shard);

        let judge = (self.failing.is_some())
            .then(|| self.judge(&objects, &relocations))
            .transpose()?
            .flatten();
        let mut processed = self.work(&tailor, &chosen, judge.as_ref(), &mut progress)?;
        self.keep_failing(judge.as_ref(), &relocations, &chosen, &mut processed);
        let Processed {
            kernels,
            classes,
            bad,
            ..
        } = processed;
        let entries = chosen.used(&kernels);
        let mut provenance = self.provenance(&objects, &relocations, Vec::new());
        provenance.partial = true;
        let bundle = classes::proven(&entries, &classes, provenance, &tailor)?;

        let mut used = kernels.into_iter().peekable();
        let mut bad = bad.iter();
        let rows = chosen.entries.iter().enumerate().map(|(at, chosen)| {
            // Unused entries are the bad ones, and both lists are in order.
            let came = match used.next_if(|(used, _)| *used == at) {
                Some((_, digest)) => Ok(digest),
                None => Err(bad
                    .next()
                    .map_or("left out".to_owned(), ToString::to_string)),
            };
            Row {
                archive: chosen.archive,
                entry: chosen.entry.clone(),
                size: chosen.entry.size(),
                came,
            }
        });
        let rows = rows.collect();
        Ok(ShardFile::new(shard, list, chosen.pins(), rows, bundle))
    }
}
