//! Heads that find objects in cells.

pub(crate) mod good;

use js_sys::{Array, Reflect};
use offshoot::{Mark, SpatialError, SpatialLimits};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

use crate::argument::{Outcome, whole};
use crate::extractor::Extractor;
use crate::extractor::cells::Cells;
use crate::object::Fields;

/// Room for classes for which none is given.
const CLASSES: f64 = 8.0;

/// Classifier of places: finds, names and counts objects.
#[wasm_bindgen]
#[derive(Debug)]
pub struct SpatialHead(offshoot::SpatialHead);

/// Returns a number of an object, if it has it.
fn number(object: &JsValue, name: &str) -> Option<f32> {
    let value = Reflect::get(object, &name.into()).ok()?;
    value.as_f64().map(|value| value as f32)
}

/// Names the class that a name was refused for.
fn of_name(error: SpatialError, name: &str) -> JsError {
    match error {
        SpatialError::Duplicate => JsError::new(&format!("there is a class `{name}`")),
        error => error.into(),
    }
}

/// Reads a point or a box.
fn place(object: &JsValue) -> Option<([f32; 2], Option<[f32; 2]>)> {
    if let Some(left) = number(object, "left") {
        let size = [number(object, "width")?, number(object, "height")?];
        return Some(([left, number(object, "top")?], Some(size)));
    }
    Some(([number(object, "x")?, number(object, "y")?], None))
}

impl SpatialHead {
    /// Returns the class with that index.
    fn class(&self, index: f64) -> Outcome<u8> {
        let index = whole(index, "class", u32::MAX)?;
        let count = self.0.class_count();
        match (index as usize) < count {
            true => Ok(index as u8),
            false => Err(JsError::new(&format!("no class {index}, there are {count}"))),
        }
    }

    fn marks(&self, marks: &JsValue) -> Outcome<Vec<Mark>> {
        if marks.is_undefined() {
            return Ok(Vec::new());
        }
        if !Array::is_array(marks) {
            return Err(JsError::new("marks are an array"));
        }
        Array::from(marks).iter().map(|mark| self.mark(&mark)).collect()
    }

    fn mark(&self, mark: &JsValue) -> Outcome<Mark> {
        let class = Reflect::get(mark, &"class".into()).unwrap_or_default();
        let class = self.class(class.as_f64().unwrap_or(f64::NAN))?;
        match place(mark) {
            Some((corner, Some(size))) => {
                Ok(Mark::boxed(class, [corner[0], corner[1], size[0], size[1]]))
            }
            Some((centre, None)) => Ok(Mark::point(class, centre)),
            None => Err(JsError::new(
                "a mark has class, x and y, or class, left, top, width and height",
            )),
        }
    }
}

#[wasm_bindgen]
impl SpatialHead {
    /// Makes an empty head for the extractor's cells, with room for so many classes, 8 if not
    /// given.
    ///
    /// # Errors
    /// A package that gives no cells; room out of range, too little memory.
    #[wasm_bindgen(constructor)]
    pub fn new(extractor: &Extractor, classes: Option<f64>) -> Outcome<Self> {
        let classes = whole(classes.unwrap_or(CLASSES), "classes", u8::MAX.into())? as u8;
        Ok(Self(offshoot::SpatialHead::new(extractor.inner(), SpatialLimits { classes })?))
    }

    /// Returns the bytes of the head: those of a head file, which devices load.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Makes the head that [`SpatialHead::encode`] wrote, fitted if it has learned anything.
    ///
    /// # Errors
    /// Bytes that are damaged or no head, a head of another package, too little memory.
    pub fn decode(bytes: &[u8], extractor: &Extractor) -> Outcome<Self> {
        Ok(Self(offshoot::SpatialHead::from_bytes(bytes, extractor.inner())?))
    }

    /// Adds a class; returns its index.
    ///
    /// # Errors
    /// A name that is empty, too long, unreadable or taken; no room for another class.
    #[wasm_bindgen(js_name = addClass)]
    pub fn add_class(&mut self, name: &str) -> Outcome<u8> {
        self.0.add_class(name).map_err(|error| of_name(error, name))
    }

    /// Returns the names of the classes in the order of their indices.
    #[wasm_bindgen(js_name = classNames)]
    pub fn class_names(&self) -> Vec<String> {
        let names = (0..self.0.class_count()).map(|class| self.0.class_name(class as u8));
        names.map(|name| name.unwrap_or_default().to_string()).collect()
    }

    /// Renames a class; what was learned stays.
    ///
    /// # Errors
    /// No such class; a name that is empty, too long, unreadable or taken.
    #[wasm_bindgen(js_name = renameClass)]
    pub fn rename_class(&mut self, class: f64, name: &str) -> Outcome<()> {
        let class = self.class(class)?;
        self.0.rename_class(class, name).map_err(|error| of_name(error, name))
    }

    /// Forgets a class: it is no longer found. The classes behind it move down by one.
    ///
    /// # Errors
    /// No such class.
    pub fn forget(&mut self, class: f64) -> Outcome<()> {
        let class = self.class(class)?;
        Ok(self.0.forget(class)?)
    }

    /// Learns a frame with all objects in it; without marks, that there are none. If the head is
    /// fitted, the frame is first asked of it: the thresholds come from these tests.
    ///
    /// # Errors
    /// Cells of another package, marks outside the frame, an absent class.
    pub fn teach(
        &mut self,
        cells: &Cells,
        #[wasm_bindgen(unchecked_optional_param_type = "Mark[]")] marks: &JsValue,
    ) -> Outcome<()> {
        let marks = self.marks(marks)?;
        Ok(self.0.teach(&cells.borrowed()?, &marks)?)
    }

    /// Asks the head about a frame whose objects are known, without learning it; the thresholds
    /// count it.
    ///
    /// # Errors
    /// A head that is not fitted; those of [`SpatialHead::teach`].
    pub fn test(
        &mut self,
        cells: &Cells,
        #[wasm_bindgen(unchecked_optional_param_type = "Mark[]")] marks: &JsValue,
    ) -> Outcome<()> {
        let marks = self.marks(marks)?;
        Ok(self.0.test(&cells.borrowed()?, &marks)?)
    }

    /// Takes the last lesson back; false if there is none that can be.
    pub fn undo(&mut self) -> bool {
        self.0.undo()
    }

    /// Computes the weights from what was learned.
    ///
    /// # Errors
    /// Nothing was learned, or nothing but objects.
    pub fn fit(&mut self) -> Outcome<()> {
        Ok(self.0.fit()?)
    }

    /// Finds the objects of a frame, at most 64, those with the highest scores first.
    ///
    /// # Errors
    /// A head that is not fitted, cells of another package.
    #[wasm_bindgen(unchecked_return_type = "Detection[]")]
    pub fn find(&mut self, cells: &Cells) -> Outcome<Array> {
        let names = self.class_names();
        let found = self.0.find(&cells.borrowed()?)?.iter();
        Ok(found
            .map(|found| {
                let [x, y] = found.centre;
                let fields = Fields::new()
                    .with("class", found.class)
                    .with("name", &names[usize::from(found.class)])
                    .with("score", found.score)
                    .with("x", x)
                    .with("y", y);
                match found.size {
                    Some([width, height]) => fields.with("width", width).with("height", height),
                    None => fields,
                }
                .done()
            })
            .collect())
    }

    /// Sets the empty scene of a fixed camera, before the first lesson.
    ///
    /// # Errors
    /// Lessons without an empty scene, cells of another package.
    #[wasm_bindgen(js_name = setReference)]
    pub fn set_reference(&mut self, cells: &Cells) -> Outcome<()> {
        Ok(self.0.set_reference(&cells.borrowed()?)?)
    }

    /// Returns the share of cells that differ from the empty scene; undefined without one.
    ///
    /// # Errors
    /// Cells of another package.
    pub fn changed(&self, cells: &Cells) -> Outcome<Option<f32>> {
        Ok(self.0.changed(&cells.borrowed()?)?)
    }

    /// Adds what another head has learned; classes of the same name are the same.
    ///
    /// # Errors
    /// A head of another package, no room for all its classes.
    pub fn merge(&mut self, other: &Self) -> Outcome<()> {
        Ok(self.0.merge(&other.0)?)
    }

    /// True if nothing was learned since the last fit.
    #[wasm_bindgen(getter, js_name = isFitted)]
    pub fn is_fitted(&self) -> bool {
        self.0.is_fitted()
    }

    /// Number of lessons.
    #[wasm_bindgen(getter)]
    pub fn lessons(&self) -> u32 {
        self.0.lessons()
    }

    /// Returns the number of objects of a class that were taught.
    ///
    /// # Errors
    /// No such class.
    #[wasm_bindgen(js_name = objectsOf)]
    pub fn objects_of(&self, class: f64) -> Outcome<u32> {
        Ok(self.0.objects_of(self.class(class)?))
    }

    /// Returns the score from which a class is reported.
    ///
    /// # Errors
    /// No such class.
    pub fn threshold(&self, class: f64) -> Outcome<f32> {
        Ok(self.0.threshold(self.class(class)?))
    }

    /// Returns what the tested lessons let expect of a class; undefined before there were three.
    ///
    /// # Errors
    /// No such class.
    #[wasm_bindgen(unchecked_return_type = "Expected | undefined")]
    pub fn expected(&self, class: f64) -> Outcome<JsValue> {
        let Some(expected) = self.0.expected(self.class(class)?) else {
            return Ok(JsValue::UNDEFINED);
        };
        Ok(Fields::new()
            .with("precision", expected.precision)
            .with("recall", expected.recall)
            .with("f1", expected.f1)
            .with("objects", expected.objects)
            .done())
    }
}
