//! Fine-tuning: maps of frames, and the tails that they tune.

use js_sys::Uint8Array;
use offshoot::{TunedTail, Tuning};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

use super::Extractor;
use crate::argument::{self, Outcome, whole};
use crate::object::Fields;

/// Samples to tune with: the map of each frame, that is the input of the layer that is tuned.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Maps(offshoot::Maps);

#[wasm_bindgen]
impl Extractor {
    /// Runs the network with a tuned tail from now on, the bytes of its file; with undefined, as it is
    /// in the package. The id is then the tail's: heads that were taught without it are refused.
    ///
    /// # Errors
    /// Bytes that are damaged, or of another package's tail.
    #[wasm_bindgen(js_name = setTail)]
    pub fn set_tail(&mut self, bytes: Option<Vec<u8>>) -> Outcome<()> {
        let tail = bytes.map(TunedTail::from_bytes).transpose()?;
        Ok(self.inner_mut().set_tail(tail.as_ref())?)
    }
}

#[wasm_bindgen]
impl Maps {
    /// No samples yet, of so many classes. The extractor keeps its maps from now on.
    ///
    /// # Errors
    /// A network without a layer that can be tuned.
    #[wasm_bindgen(constructor)]
    pub fn new(extractor: &mut Extractor, classes: f64) -> Outcome<Self> {
        let classes = whole(classes, "the number of classes", u16::MAX.into())? as u16;
        Ok(Self(offshoot::Maps::new(extractor.inner_mut(), classes)?))
    }

    /// Adds a frame as a sample of a class.
    ///
    /// # Errors
    /// Those of [`Extractor::embed`]; a class that does not exist.
    #[wasm_bindgen(js_name = addFrame)]
    pub fn add_frame(
        &mut self,
        class: f64,
        extractor: &mut Extractor,
        #[wasm_bindgen(unchecked_param_type = "Pixels")] image: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "PixelFormat")] format: Option<String>,
    ) -> Outcome<()> {
        let class = whole(class, "class", u16::MAX.into())? as usize;
        drop(extractor.embed(image, format)?);
        let inner = extractor.inner_mut();
        let map =
            inner.map().ok_or_else(|| JsError::new("the extractor keeps no maps any more"))?;
        Ok(self.0.add(class, map)?)
    }

    /// Number of samples.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// Tunes the network's last layer; samples that are held out say if the result is kept, which then
    /// has a `tail`. The extractor stays as it is. Takes seconds, in which the page waits.
    ///
    /// # Errors
    /// A recipe out of range, an extractor of another package.
    #[wasm_bindgen(unchecked_return_type = "FineTuned")]
    pub fn finetune(
        &self,
        extractor: &Extractor,
        #[wasm_bindgen(unchecked_optional_param_type = "TuningOptions")] options: &JsValue,
    ) -> Outcome<JsValue> {
        let given =
            argument::Options::of(options, &["all", "epochs", "step", "folds", "seed", "force"])?;
        let is_all = given.get("all").is_some_and(|all| all.is_truthy());
        let recipe = if is_all { Tuning::all() } else { Tuning::default() };
        let mut tuning = Tuning { epochs: given.count("epochs")?, ..recipe };
        if let Some(folds) = given.count("folds")? {
            tuning.folds = folds.min(u8::MAX.into()) as u8;
        }
        if let Some(step) = given.get("step") {
            tuning.step = step.as_f64().unwrap_or(f64::NAN) as f32;
        }
        if let Some(seed) = given.get("seed") {
            tuning.seed = whole(seed.as_f64().unwrap_or(f64::NAN), "seed", u32::MAX)?;
        }
        if given.get("force").is_some_and(|force| force.is_truthy()) {
            tuning.least_t = f32::NEG_INFINITY;
        }
        let tuned = self.0.finetune(extractor.inner(), &tuning, |_| {})?;
        let fields = Fields::new()
            .with("kept", tuned.verdict.keeps())
            .with("line", tuned.verdict.to_string());
        let fields = match tuned.verdict.evidence() {
            Some(evidence) => fields
                .with("samples", evidence.samples)
                .with("wrongBefore", evidence.wrong_before)
                .with("wrongAfter", evidence.wrong_after)
                .with("errorBefore", evidence.before)
                .with("errorAfter", evidence.after)
                .with("t", evidence.t),
            None => fields,
        };
        Ok(match tuned.tail {
            Some(tail) => fields.with("tail", Uint8Array::from(tail.bytes())).done(),
            None => fields.done(),
        })
    }
}
