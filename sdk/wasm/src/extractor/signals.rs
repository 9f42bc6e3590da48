//! Signals of sensors: windows, recordings and streams.

use js_sys::{Float32Array, Int16Array};
use offshoot::Signal;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsError, JsValue};

use super::Extractor;
use crate::argument::Outcome;
use crate::embedding::Embedding;
use crate::object::Fields;

/// Samples of JavaScript, copied.
enum Samples {
    Int16(Vec<i16>),
    Float(Vec<f32>),
}

impl Samples {
    fn of(value: &JsValue) -> Outcome<Self> {
        if let Some(samples) = value.dyn_ref::<Int16Array>() {
            return Ok(Self::Int16(samples.to_vec()));
        }
        match value.dyn_ref::<Float32Array>() {
            Some(samples) => Ok(Self::Float(samples.to_vec())),
            None => Err(JsError::new("samples are an Int16Array or a Float32Array")),
        }
    }

    fn signal(&self, channels: usize) -> Outcome<Signal<'_>> {
        Ok(match self {
            Self::Int16(samples) => Signal::int16(channels, samples)?,
            Self::Float(samples) => Signal::float(channels, samples)?,
        })
    }
}

#[wasm_bindgen]
impl Extractor {
    /// Returns the input of a package that takes signals; undefined for other packages.
    #[wasm_bindgen(unchecked_return_type = "Sensor | undefined")]
    pub fn sensor(&self) -> JsValue {
        let Some(sensor) = self.inner().sensor() else { return JsValue::UNDEFINED };
        Fields::new()
            .with("channels", sensor.normalization().len())
            .with("places", self.inner().window_places())
            .with("step", sensor.step)
            .with("rate", sensor.rate)
            .with("unit", sensor.unit)
            .done()
    }

    /// Computes the embedding of a signal of exactly one window: the channels of the first place,
    /// then those of the second. An `Int16Array` has samples of a converter, a `Float32Array` real
    /// values.
    ///
    /// # Errors
    /// Other channels or places, a value that is not finite; a package that takes no signals.
    #[wasm_bindgen(js_name = embedSignal)]
    pub fn embed_signal(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "Int16Array | Float32Array")] samples: &JsValue,
    ) -> Outcome<Embedding> {
        let samples = Samples::of(samples)?;
        let signal = samples.signal(self.channels())?;
        Ok(self.inner_mut().embed_signal(&signal)?.into())
    }

    /// Computes the embedding of a recording, one window or longer: the mean over its windows.
    ///
    /// # Errors
    /// Those of [`Extractor::embed_signal`].
    #[wasm_bindgen(js_name = embedRecording)]
    pub fn embed_recording(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "Int16Array | Float32Array")] samples: &JsValue,
    ) -> Outcome<Embedding> {
        let samples = Samples::of(samples)?;
        let signal = samples.signal(self.channels())?;
        Ok(self.inner_mut().embed_recording(&signal)?.into())
    }
}

impl Extractor {
    /// Number of channels of a signal; 1 if the package takes none.
    fn channels(&self) -> usize {
        self.inner().sensor().map_or(1, |sensor| sensor.normalization().len())
    }
}

/// Stream of a sensor as windows for an extractor.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Probe(offshoot::Probe);

#[wasm_bindgen]
impl Probe {
    /// Reserves the memory for a package's windows.
    ///
    /// # Errors
    /// A package that takes no signals.
    #[wasm_bindgen(constructor)]
    pub fn new(extractor: &Extractor) -> Outcome<Self> {
        Ok(Self(offshoot::Probe::new(extractor.inner())?))
    }

    /// Takes samples of any number of places; returns the embeddings of the windows that they
    /// complete.
    ///
    /// # Errors
    /// Those of [`Extractor::embed_signal`]; places before a value that is not finite were taken.
    pub fn push(
        &mut self,
        extractor: &mut Extractor,
        #[wasm_bindgen(unchecked_param_type = "Int16Array | Float32Array")] samples: &JsValue,
    ) -> Outcome<Vec<Embedding>> {
        let samples = match Samples::of(samples)? {
            Samples::Int16(samples) => samples.iter().map(|&sample| self.0.real(sample)).collect(),
            Samples::Float(samples) => samples,
        };
        // Refused as a whole, if the last place lacks channels.
        Signal::float(self.0.channels(), &samples)?;
        let mut embeddings = Vec::new();
        for place in samples.chunks_exact(self.0.channels()) {
            embeddings.extend(self.0.push(extractor.inner_mut(), place)?.map(Embedding::from));
        }
        Ok(embeddings)
    }

    /// Forgets all places; the next window begins with the next one.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
