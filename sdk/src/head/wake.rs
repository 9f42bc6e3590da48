//! Wake words: thresholds that a class of background keeps to.

use offshoot_core::head::AskError;
use offshoot_core::sound::threshold_for;

use super::Head;
use crate::ClassId;

/// Thresholds against false alarms.
impl Head {
    /// Returns the probability of another class that one of `windows` windows of background reaches,
    /// estimated from the samples of the class `background`, each held out in turn
    /// ([`threshold_for`]). [`None`] if it has fewer than ten.
    ///
    /// ```
    /// # use offshoot::{Embedding, Head, HeadKind, Limits, PackageId};
    /// # let limits = Limits { classes: 2, samples: 40 };
    /// # let id = PackageId::new([0; 32]);
    /// # let mut head = Head::for_embeddings(HeadKind::Ridge, 3, id, limits)?;
    /// # let (word, room) = (head.add_class("word")?, head.add_class("room")?);
    /// # for i in 0..20 {
    /// #     let bent = (i * 7 % 5) as f32 * 0.1;
    /// #     head.add_sample(word, Embedding::Float(&[1.0, bent, 0.2]))?;
    /// #     head.add_sample(room, Embedding::Float(&[bent, 1.0, 0.3]))?;
    /// # }
    /// head.fit()?;
    /// // One false alarm an hour, of a window every 80 ms.
    /// let threshold = head.wake_threshold(room, 45_000.0)?.unwrap_or(0.9);
    /// println!("at {threshold} {:?} of its samples are heard", head.recall(word, threshold)?);
    /// # assert_eq!(head.recall(word, 0.0)?, Some(1.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AskError::NothingTaught`] without samples, [`AskError::NotFitted`] before [`Head::fit`].
    pub fn wake_threshold(
        &self,
        background: ClassId,
        windows: f32,
    ) -> Result<Option<f32>, AskError> {
        let report = self.report()?;
        let held_out = self.samples().enumerate().filter(|(_, (class, _))| *class == background);
        let said = held_out.filter_map(|(index, _)| report.answer(index));
        let mut scores: Vec<f32> = said
            .map(|(class, share)| if class == background { 1.0 - share } else { share })
            .collect();
        Ok(threshold_for(&mut scores, windows))
    }

    /// Returns the share of the samples of a class that are answered with it at a probability of
    /// `threshold` or more, each held out in turn. [`None`] if fewer than two are kept.
    ///
    /// # Errors
    /// Those of [`Head::wake_threshold`].
    pub fn recall(&self, class: ClassId, threshold: f32) -> Result<Option<f32>, AskError> {
        let report = self.report()?;
        let own = self.samples().enumerate().filter(|(_, (owner, _))| *owner == class);
        let mut asked = 0;
        let mut heard = 0;
        for answer in own.filter_map(|(index, _)| report.answer(index)) {
            asked += 1;
            heard += usize::from(answer.0 == class && answer.1 >= threshold);
        }
        Ok((asked > 0).then(|| heard as f32 / asked as f32))
    }
}
