//! Fits, and questions to a fitted head.

use js_sys::{Array, Float32Array};
use offshoot::{Answer, Recipe, Report};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::Head;
use super::settings::{TRANSFORMS, name_of};
use crate::argument::Outcome;
use crate::embedding::Embedding;
use crate::object::Fields;

impl Head {
    fn answer(&self, answer: Answer) -> Fields {
        let name = self.0.class_name(answer.class()).unwrap_or_default();
        let fields = Fields::new()
            .with("known", answer.known().is_some())
            .with("class", answer.class().index())
            .with("name", name)
            .with("confidence", answer.confidence().get())
            .with("margin", answer.margin());
        match answer {
            Answer::Unknown { score, .. } => fields.with("similarity", score.get()),
            _ => fields,
        }
    }

    fn confusion(&self, report: &Report<'_>) -> Array {
        let rows = self.0.classes().map(|(own, _)| {
            let row = self.0.classes().map(|(said, _)| report.confusion(own, said) as u32);
            JsValue::from(row.map(JsValue::from).collect::<Array>())
        });
        rows.collect()
    }

    fn held_out_answers(&self, report: &Report<'_>) -> Array {
        let answers = (0..self.0.sample_count()).map(|sample| match report.answer(sample) {
            Some((class, probability)) => {
                Fields::new().with("class", class.index()).with("probability", probability).done()
            }
            None => JsValue::NULL,
        });
        answers.collect()
    }
}

fn recipe(recipe: Recipe) -> JsValue {
    Fields::new()
        .with("kind", recipe.kind.name())
        .with("transform", name_of(&TRANSFORMS, &recipe.transform))
        .with("inverseL2", recipe.inverse_l2)
        .done()
}

#[wasm_bindgen]
impl Head {
    /// Fits the head to its samples, unless nothing has changed since the last fit.
    ///
    /// # Errors
    /// No samples.
    #[wasm_bindgen(unchecked_return_type = "Fit")]
    pub fn fit(&mut self) -> Outcome<JsValue> {
        let fit = self.0.fit()?;
        Ok(Fields::new()
            .with("iterations", u32::from(fit.iterations))
            .with("converged", fit.converged)
            .with("gradientNorm", fit.gradient_norm)
            .done())
    }

    /// True if nothing has changed since the last fit, so that the head can be asked.
    #[wasm_bindgen(getter, js_name = isFitted)]
    pub fn is_fitted(&self) -> bool {
        self.0.is_fitted()
    }

    /// Returns the recipe of the head.
    #[wasm_bindgen(unchecked_return_type = "Recipe")]
    pub fn recipe(&self) -> JsValue {
        recipe(self.0.recipe())
    }

    /// Returns the recipe that the head is fitted with.
    ///
    /// # Errors
    /// No samples; a head that is not fitted.
    #[wasm_bindgen(unchecked_return_type = "Recipe")]
    pub fn chosen(&self) -> Outcome<JsValue> {
        Ok(recipe(self.0.chosen()?))
    }

    /// Classifies an embedding.
    ///
    /// # Errors
    /// No samples, a head that is not fitted, an embedding of another length.
    #[wasm_bindgen(unchecked_return_type = "Answer")]
    pub fn classify(&self, embedding: &Embedding) -> Outcome<JsValue> {
        Ok(self.answer(self.0.classify(embedding.borrowed())?).done())
    }

    /// Classifies an embedding and returns the probability of every class as well; the rest to 1 is
    /// the probability of something unknown.
    ///
    /// # Errors
    /// Those of [`Head::classify`].
    #[wasm_bindgen(unchecked_return_type = "Answer & { probabilities: Float32Array }")]
    pub fn probabilities(&self, embedding: &Embedding) -> Outcome<JsValue> {
        let mut out = vec![0.0; self.0.class_count()];
        let answer = self.0.probabilities(embedding.borrowed(), &mut out)?;
        Ok(self.answer(answer).with("probabilities", Float32Array::from(&out[..])).done())
    }

    /// Returns the cosine similarity with the nearest class mean, and the threshold below which an
    /// embedding is unknown, if there is one; with several classes of more than five samples it is
    /// another one for each embedding.
    ///
    /// # Errors
    /// Those of [`Head::classify`].
    #[wasm_bindgen(unchecked_return_type = "{ similarity: number; threshold?: number }")]
    pub fn similarity(&self, embedding: &Embedding) -> Outcome<JsValue> {
        let (similarity, threshold) = self.0.similarity(embedding.borrowed())?;
        let fields = Fields::new().with("similarity", similarity.get());
        Ok(match threshold {
            Some(threshold) => fields.with("threshold", threshold.get()).done(),
            None => fields.done(),
        })
    }

    /// Returns the contribution of each dimension to the log odds of `class` against `other`, and
    /// that of the bias.
    ///
    /// # Errors
    /// Those of [`Head::classify`]; a class without samples; k-NN.
    #[wasm_bindgen(unchecked_return_type = "{ bias: number; values: Float32Array }")]
    pub fn contributions(&self, embedding: &Embedding, class: f64, other: f64) -> Outcome<JsValue> {
        let class = self.class(class)?;
        let other = self.class(other)?;
        let mut out = vec![0.0; self.0.dim()];
        let bias = self.0.contributions(embedding.borrowed(), class, other, &mut out)?;
        let values = Float32Array::from(&out[..]);
        Ok(Fields::new().with("bias", bias).with("values", values).done())
    }

    /// Returns the weights and biases of a linear head.
    ///
    /// # Errors
    /// No samples, a head that is not fitted, k-NN.
    #[wasm_bindgen(unchecked_return_type = "Linear")]
    pub fn linear(&self) -> Outcome<JsValue> {
        let linear = self.0.linear()?;
        let bias: Vec<f32> = linear.bias().collect();
        let fields = Fields::new()
            .with("first", linear.first)
            .with("weights", Float32Array::from(linear.weights))
            .with("bias", Float32Array::from(&bias[..]))
            .with("transform", name_of(&TRANSFORMS, &linear.transform))
            .with("meanLength", linear.mean_length)
            .with("inverseTemperature", linear.inverse_temperature);
        let Some(odds) = linear.known else { return Ok(fields.done()) };
        let known = Fields::new()
            .with("slope", odds.slope)
            .with("offset", odds.offset)
            .with("marginSlope", odds.margin_slope)
            .with("mostMargin", odds.most_margin)
            .with("least", odds.least);
        Ok(fields.with("known", known.done()).done())
    }

    /// Returns true if the answers depend on all values of an embedding, false if on the last of its
    /// parts alone.
    ///
    /// # Errors
    /// No samples; a head that is not fitted.
    #[wasm_bindgen(js_name = readsAll)]
    pub fn reads_all(&self) -> Outcome<bool> {
        Ok(self.0.reads_all()?)
    }

    /// Returns the held-out errors by which the parts were chosen; undefined if there was no choice.
    ///
    /// # Errors
    /// No samples; a head that is not fitted.
    #[wasm_bindgen(js_name = partErrors, unchecked_return_type = "PartErrors | undefined")]
    pub fn part_errors(&self) -> Outcome<JsValue> {
        let Some(found) = self.0.part_errors()? else { return Ok(JsValue::UNDEFINED) };
        let fields = Fields::new().with("last", found.last).with("all", found.all);
        Ok(fields.with("t", found.t).done())
    }

    /// Returns the result of the held-out samples: accuracy, confusions, advice.
    ///
    /// # Errors
    /// No samples; a head that is not fitted.
    #[wasm_bindgen(unchecked_return_type = "Report")]
    pub fn report(&self) -> Outcome<JsValue> {
        let report = self.0.report()?;
        let interval = report.interval();
        let advice: Array = report.advice().map(|line| JsValue::from(line.to_string())).collect();
        Ok(Fields::new()
            .with("asked", report.asked())
            .with("right", report.right())
            .with("accuracy", report.accuracy())
            .with("low", interval.low)
            .with("high", interval.high)
            .with("calibrationError", report.calibration_error())
            .with("confusion", self.confusion(&report))
            .with("answers", self.held_out_answers(&report))
            .with("advice", advice)
            .done())
    }
}
