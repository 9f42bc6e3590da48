//! Arguments of JavaScript, checked: it passes anything as a number or an option.

use js_sys::{Object, Reflect};
use wasm_bindgen::{JsError, JsValue};

/// Outcome of a call: an error becomes a JavaScript `Error` with its words.
pub type Outcome<T> = Result<T, JsError>;

/// Returns a whole number from 0 to `most`.
///
/// # Errors
/// Any other value, named by `what`.
pub fn whole(value: f64, what: &str, most: u32) -> Outcome<u32> {
    if value.fract() == 0.0 && (0.0..=f64::from(most)).contains(&value) {
        return Ok(value as u32);
    }
    Err(JsError::new(&format!("{what} is {value}, allowed are whole numbers from 0 to {most}")))
}

/// Options of a call: an object whose keys are all known.
pub struct Options<'a>(&'a JsValue);

impl<'a> Options<'a> {
    /// Takes an object, or nothing.
    ///
    /// # Errors
    /// A key that is not among `known`; a value that is no object.
    pub fn of(value: &'a JsValue, known: &[&str]) -> Outcome<Self> {
        if value.is_undefined() || value.is_null() {
            return Ok(Self(value));
        }
        let Some(object) = value.dyn_ref_object() else {
            return Err(JsError::new("options are an object"));
        };
        for key in Object::keys(object) {
            let key = key.as_string().unwrap_or_default();
            if !known.contains(&key.as_str()) {
                let known = known.join(", ");
                return Err(JsError::new(&format!("no option `{key}`; there are {known}")));
            }
        }
        Ok(Self(value))
    }

    /// Returns the value of an option; `None` where it is absent or undefined.
    pub fn get(&self, key: &str) -> Option<JsValue> {
        self.0.dyn_ref_object()?;
        Reflect::get(self.0, &key.into()).ok().filter(|value| !value.is_undefined())
    }

    /// Returns a text.
    ///
    /// # Errors
    /// A value that is no text.
    pub fn text(&self, key: &str) -> Outcome<Option<String>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_string() {
            Some(text) => Ok(Some(text)),
            None => Err(JsError::new(&format!("option `{key}` is no string"))),
        }
    }

    /// Returns a whole number from 0 to 65535.
    ///
    /// # Errors
    /// Any other value.
    pub fn count(&self, key: &str) -> Outcome<Option<u16>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let what = format!("option `{key}`");
        let number = whole(value.as_f64().unwrap_or(f64::NAN), &what, u16::MAX.into())?;
        Ok(Some(number as u16))
    }
}

/// Cast to an object, without naming its class.
trait AsObject {
    fn dyn_ref_object(&self) -> Option<&Object>;
}

impl AsObject for JsValue {
    fn dyn_ref_object(&self) -> Option<&Object> {
        wasm_bindgen::JsCast::dyn_ref(self).filter(|_| self.is_object())
    }
}
