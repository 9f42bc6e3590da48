//! Classes and samples: taught, corrected, forgotten.

use offshoot::{ClassError, EditError};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

use super::Head;
use crate::argument::{Outcome, whole};
use crate::embedding::Embedding;
use crate::object::Fields;

/// Names the class, if the name is taken; the head's own errors hold no text.
fn refused(error: ClassError, name: &str) -> JsError {
    match error {
        ClassError::Duplicate { .. } => JsError::new(&format!("there is a class `{name}`")),
        error => error.into(),
    }
}

#[wasm_bindgen]
impl Head {
    /// Adds a class; returns its index.
    ///
    /// # Errors
    /// A name that is empty, too long, unreadable or taken; no room for another class.
    #[wasm_bindgen(js_name = addClass)]
    pub fn add_class(&mut self, name: &str) -> Outcome<usize> {
        let added = self.0.add_class(name);
        Ok(added.map_err(|error| refused(error, name))?.index())
    }

    /// Adds a sample to a class. A full buffer evicts by `whenFull`.
    ///
    /// # Errors
    /// An absent class, an embedding of another length, a full buffer that may not evict.
    #[wasm_bindgen(js_name = addSample)]
    pub fn add_sample(&mut self, class: f64, embedding: &Embedding) -> Outcome<()> {
        let class = self.class(class)?;
        Ok(self.0.add_sample(class, embedding.borrowed())?)
    }

    /// Takes back the newest sample; returns its class, or undefined without samples.
    pub fn undo(&mut self) -> Option<usize> {
        self.0.undo().map(offshoot::ClassId::index)
    }

    /// Removes a sample by its index, the oldest is 0; returns its class.
    ///
    /// # Errors
    /// No such sample.
    #[wasm_bindgen(js_name = removeSample)]
    pub fn remove_sample(&mut self, sample: f64) -> Outcome<usize> {
        let sample = whole(sample, "sample", u32::MAX)? as usize;
        Ok(self.0.remove_sample(sample)?.index())
    }

    /// Removes a class with its samples; the classes behind it move down by one.
    ///
    /// # Errors
    /// No such class.
    #[wasm_bindgen(js_name = removeClass)]
    pub fn remove_class(&mut self, class: f64) -> Outcome<()> {
        let class = self.class(class)?;
        Ok(self.0.remove_class(class)?)
    }

    /// Renames a class.
    ///
    /// # Errors
    /// No such class, or a name that `addClass` refuses.
    #[wasm_bindgen(js_name = renameClass)]
    pub fn rename_class(&mut self, class: f64, name: &str) -> Outcome<()> {
        let class = self.class(class)?;
        self.0.rename_class(class, name).map_err(|error| match error {
            EditError::Name(cause) => refused(cause, name),
            error => error.into(),
        })
    }

    /// Teaches this head all samples of another one; classes of the same name are the same.
    ///
    /// # Errors
    /// A head of another package, or no room for all; the head is as it was.
    pub fn merge(&mut self, other: &Self) -> Outcome<()> {
        Ok(self.0.merge(&other.0)?)
    }

    /// Number of classes.
    #[wasm_bindgen(getter, js_name = classCount)]
    pub fn class_count(&self) -> usize {
        self.0.class_count()
    }

    /// Returns the names of the classes in the order of their indices.
    #[wasm_bindgen(js_name = classNames)]
    pub fn class_names(&self) -> Vec<String> {
        self.0.classes().map(|(_, name)| name.to_string()).collect()
    }

    /// Returns the index of the class of that name; undefined if there is none.
    #[wasm_bindgen(js_name = classNamed)]
    pub fn class_named(&self, name: &str) -> Option<usize> {
        self.0.class_named(name).map(offshoot::ClassId::index)
    }

    /// Returns the name of a class.
    ///
    /// # Errors
    /// No such class.
    #[wasm_bindgen(js_name = className)]
    pub fn class_name(&self, class: f64) -> Outcome<String> {
        let class = self.class(class)?;
        Ok(self.0.class_name(class).unwrap_or_default().to_string())
    }

    /// Number of samples that are kept.
    #[wasm_bindgen(getter, js_name = sampleCount)]
    pub fn sample_count(&self) -> usize {
        self.0.sample_count()
    }

    /// Returns the number of samples of a class that are kept.
    ///
    /// # Errors
    /// No such class.
    #[wasm_bindgen(js_name = samplesOf)]
    pub fn samples_of(&self, class: f64) -> Outcome<usize> {
        Ok(self.0.samples_of(self.class(class)?))
    }

    /// Returns the number of samples that a class has ever seen, kept or evicted.
    ///
    /// # Errors
    /// No such class.
    #[wasm_bindgen(js_name = shownOf)]
    pub fn shown_of(&self, class: f64) -> Outcome<u32> {
        Ok(self.0.shown_of(self.class(class)?))
    }

    /// Returns the class of each kept sample, the oldest first.
    #[wasm_bindgen(js_name = sampleClasses)]
    pub fn sample_classes(&self) -> Vec<u16> {
        self.0.samples().map(|(class, _)| class.index() as u16).collect()
    }

    /// Returns a kept sample: its class and its embedding.
    ///
    /// # Errors
    /// No such sample.
    #[wasm_bindgen(unchecked_return_type = "Sample")]
    pub fn sample(&self, sample: f64) -> Outcome<JsValue> {
        let sample = whole(sample, "sample", u32::MAX)? as usize;
        let count = self.0.sample_count();
        let found = self.0.samples().nth(sample);
        let (class, embedding) = found.ok_or(EditError::NoSuchSample { sample, count })?;
        let fields = Fields::new().with("class", class.index());
        Ok(fields.with("embedding", Embedding::from(embedding)).done())
    }

    /// Takes what was evicted out of the class means.
    #[wasm_bindgen(js_name = forgetLeftOut)]
    pub fn forget_left_out(&mut self) {
        self.0.forget_left_out();
    }
}
