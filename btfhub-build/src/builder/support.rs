//! What runs where, of the kernels of a build: for a baseline.

use super::objects::Loaded;
use super::work::Work;
use crate::archive::Digest;
use crate::btf::Btf;
use crate::error::{Error, ErrorKind};
use crate::object::Object;
use crate::queue;
use crate::report::{KernelAnswer, Survey};
use crate::support::Support;

impl Work<'_> {
    /// Holds the programs against kernels, which are indices into
    /// [`Chosen::entries`](super::kernels::Chosen). Their whole BTF is read: what is tailored
    /// to the relocations tells of no functions.
    pub(super) fn support(
        &self,
        objects: &[Loaded],
        kernels: &[(usize, Digest)],
    ) -> Result<Support, Error> {
        let objects: Vec<Object> = objects.iter().map(|loaded| loaded.object.clone()).collect();
        let survey = Survey::new(&objects);
        let mut answers: Vec<(usize, KernelAnswer)> = Vec::with_capacity(kernels.len());
        queue::run(
            self.threads(),
            kernels.len(),
            |number| {
                let at = kernels.get(number).map(|(at, _)| *at)?;
                Some((at, self.ask(&survey, at)))
            },
            |_, asked| {
                if let Some((at, answer)) = asked {
                    answers.push((at, answer?));
                }
                Ok::<(), Error>(())
            },
        )?;
        let answers = answers.into_iter().filter_map(|(at, answer)| {
            let chosen = self.chosen.entries.get(at)?;
            Some((chosen.entry.kernel(), Ok(answer)))
        });
        Ok(survey.report(answers).support())
    }

    fn ask(&self, survey: &Survey, at: usize) -> Result<KernelAnswer, Error> {
        let chosen = (self.chosen.entries.get(at))
            .ok_or_else(|| Error::new(ErrorKind::Entry, format!("no entry {at}")))?;
        let path = || chosen.entry.path().display().to_string();
        let bad = || Error::new(ErrorKind::Entry, path());
        let btf = match chosen.in_atlas {
            Some(place) => {
                let atlas = self.chosen.atlases.get(place.atlas).ok_or_else(bad)?;
                let btf = (atlas.extract(place.kernel)).map_err(|error| bad().because(error))?;
                Btf::parse(&btf).map_err(|error| bad().because(error))?
            }
            None => {
                let (_, compressed) = self.read(chosen)?;
                let decoded = chosen.entry.decode(&compressed, self.builder.entry_limit)?;
                (self
                    .builder
                    .modules
                    .join(decoded, Some(survey.relocations())))
                .map_err(|error| bad().because(error))?
            }
        };
        survey.ask(&btf).map_err(|error| bad().because(error))
    }
}
