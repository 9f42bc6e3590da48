//! Texts, given as token ids.

use offshoot_core::Embedding;
use offshoot_engine::Step;

#[cfg(feature = "tract")]
use super::Input;
use super::{Backend, Extractor, Feed, Stage, shorten, stage};
use crate::Error;

impl Extractor {
    /// Computes the embedding of a text, given as token ids.
    ///
    /// Takes the ids with the special tokens of the network's tokenizer, such as BERT's `[CLS]` and
    /// `[SEP]`: 1 to [`Extractor::token_limit`]. Returns [`Extractor::embedding_dim`] values, which
    /// are valid until the next call.
    ///
    /// # Errors
    /// [`ErrorKind::OtherInput`](crate::ErrorKind::OtherInput) if the package takes images: use [`Extractor::embed`]. No tokens,
    /// more than the limit (truncate them), an id beyond the vocabulary (the tokenizer is another
    /// network's), or an error of tract-core.
    pub fn embed_tokens(&mut self, ids: &[u32]) -> Result<Embedding<'_>, Error> {
        self.embed_tokens_with_observer(ids, |_| {})
    }

    /// Computes the embedding like [`Extractor::embed_tokens`] and calls `observe` after each
    /// stage.
    ///
    /// # Errors
    /// Those of [`Extractor::embed_tokens`].
    pub fn embed_tokens_with_observer(
        &mut self,
        ids: &[u32],
        observe: impl FnMut(Stage),
    ) -> Result<Embedding<'_>, Error> {
        self.run_tokens(ids, observe)?;
        Ok(self.result())
    }

    fn run_tokens(&mut self, ids: &[u32], mut observe: impl FnMut(Stage)) -> Result<(), Error> {
        match &mut self.backend {
            Backend::Engine {
                plan,
                team,
                panels,
                arena,
                weights,
                feed: Feed::Tokens { tokens, shape, table, own },
            } => {
                let plan = match own {
                    Some(own) if (1..=shape.w()).contains(&ids.len()) => own.at(ids.len()),
                    _ => &*plan,
                };
                let value = plan.input();
                let input = bytemuck::cast_slice_mut(&mut arena[value.range()]);
                tokens.fill(value.shape, &self.bytes[table.clone()], ids, input)?;
                observe(Stage::Preprocess);
                let weights = &self.bytes[weights.clone()];
                let packed = panels.of(&self.bytes);
                let watch = |steps: &[Step]| observe(stage(steps, 0));
                match team {
                    Some(team) => team.run_with_observer(plan, weights, packed, arena, watch)?,
                    None => plan.run_with_observer(weights, packed, arena, watch)?,
                }
                let output = plan.output();
                if output.width > 1 {
                    shorten(bytemuck::cast_slice(&arena[output.range()]), &mut self.unit);
                }
            }
            #[cfg(feature = "tract")]
            Backend::Tract {
                network,
                input: Input::Tokens { values, tokens, shape, table },
                nodes,
            } => {
                tokens.fill(*shape, &self.bytes[table.clone()], ids, values)?;
                observe(Stage::Preprocess);
                network.run_floats(values)?;
                observe(Stage::Nodes(0..*nodes));
                shorten(network.floats(), &mut self.unit);
            }
            _ => return Err(self.takes_other().into()),
        }
        Ok(())
    }

    /// Returns the max number of tokens of a text; `None` if the package takes images.
    #[must_use]
    pub fn token_limit(&self) -> Option<usize> {
        match &self.backend {
            Backend::Engine { feed: Feed::Tokens { shape, .. }, .. } => Some(shape.w()),
            #[cfg(feature = "tract")]
            Backend::Tract { input: Input::Tokens { shape, .. }, .. } => Some(shape.w()),
            _ => None,
        }
    }
}
