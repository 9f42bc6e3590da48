//! A classifier that is taught from Python.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use offshoot::{ClassId, HeadKind, Limits, PackageId, Transform, WhenFull};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::embedding::{Embedding, Values, Vectors};
use crate::error::{Failure, Outcome};
use crate::extractor::Extractor;

mod activations;
pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod report;

/// Classifier on embeddings: classes and samples are added, corrected and forgotten at any time.
///
/// ``extractor`` computes the embeddings; for those of another program it is their number of values
/// (``package_id`` then binds the head to their source). ``kind`` is ``"auto"``, ``"ncm"``,
/// ``"softmax"``, ``"ridge"``, ``"slda"`` or ``"knn"``. Memory for ``classes`` and ``samples`` is
/// reserved at once; a full head evicts by ``when_full``.
///
/// A question fits the head if anything has changed since the last fit: ``fit`` need not be called,
/// but says how the solver ended. Classes are named, or numbered in the order they were added;
/// removing one renumbers those after it. Threads may share a head: one call runs at a time.
///
/// >>> import offshoot
/// >>> head = offshoot.Head(2, "ridge")
/// >>> for name, rows in {"left": [[1, 0], [1, 0.1]], "up": [[0, 1], [0.1, 1]]}.items():
/// ...     number = head.add_class(name)
/// ...     head.add_samples(name, rows)
/// >>> head.classify([0.05, 0.9]).name
/// 'up'
/// >>> head.undo(), len(head)
/// ('up', 3)
#[pyclass(frozen, module = "offshoot")]
pub(crate) struct Head {
    inner: Mutex<offshoot::Head>,
}

/// Class by its name or its number.
#[derive(FromPyObject)]
pub(crate) enum ClassRef {
    Number(usize),
    Name(String),
}

impl ClassRef {
    pub fn find(&self, head: &offshoot::Head) -> Outcome<ClassId> {
        let found = match self {
            Self::Number(number) => head.class_at(*number),
            Self::Name(name) => head.class_named(name),
        };
        found.ok_or_else(|| self.missing(head.class_count()))
    }

    /// Returns the failure of a head with so many classes that lacks this one.
    pub fn missing(&self, count: usize) -> Failure {
        Failure::Head(match self {
            Self::Number(number) => format!("class {number}, the head has {count}"),
            Self::Name(name) => {
                format!("no class `{}`; add it by `add_class`", name.escape_debug())
            }
        })
    }
}

/// Extractor, or the number of values of embeddings that another program computes.
enum Origin<'py> {
    Extractor(Bound<'py, Extractor>),
    Values(usize),
}

impl<'py> Origin<'py> {
    fn of(found: &Bound<'py, PyAny>) -> Outcome<Self> {
        if let Ok(extractor) = found.cast::<Extractor>() {
            return Ok(Self::Extractor(extractor.clone()));
        }
        found.extract().map(Self::Values).map_err(|_| {
            let found = found.get_type();
            let why = format!("a head takes an Extractor or a number of values, not {found}");
            PyTypeError::new_err(why).into()
        })
    }
}

/// Returns a limit of a head.
fn limit(name: &str, value: i64, most: u16) -> Outcome<u16> {
    let found = u16::try_from(value).ok().filter(|value| (1..=most).contains(value));
    found.ok_or_else(|| Failure::Head(format!("{name}={value}, allowed are 1 to {most}")))
}

#[pymethods]
impl Head {
    /// Makes an empty head.
    ///
    /// Raises ``HeadError`` for limits or dimensions of zero, or beyond what a head can hold.
    #[new]
    #[pyo3(signature = (extractor, kind="auto", *, classes=32, samples=1000, package_id=None))]
    fn new(
        extractor: &Bound<'_, PyAny>,
        kind: &str,
        classes: i64,
        samples: i64,
        package_id: Option<&str>,
    ) -> Outcome<Self> {
        let kind: HeadKind = kind.parse()?;
        let limits = Limits {
            classes: limit("classes", classes, 1024)?,
            samples: limit("samples", samples, u16::MAX)?,
        };
        let head = match (&Origin::of(extractor)?, package_id) {
            (Origin::Extractor(_), Some(_)) => {
                return Err(Failure::Head("the extractor has a package_id; leave it out".into()));
            }
            // By the extractor itself: it knows the parts of its embeddings.
            (Origin::Extractor(extractor), None) => extractor
                .get()
                .with(extractor.py(), |inner| offshoot::Head::new(kind, inner, limits))?,
            (Origin::Values(dim), id) => {
                let id = id.map_or(Ok(PackageId::new([0; 32])), parsed)?;
                offshoot::Head::for_embeddings(kind, *dim, id, limits)?
            }
        };
        Ok(Self::of(head))
    }

    /// Loads a head; with an extractor only one that was taught on its package.
    ///
    /// Raises ``FileError`` for a file that cannot be read, ``HeadError`` for one that is damaged
    /// or belongs to another package.
    #[staticmethod]
    #[pyo3(signature = (path, extractor=None))]
    fn load(py: Python<'_>, path: PathBuf, extractor: Option<&Extractor>) -> Outcome<Self> {
        let head = match extractor {
            Some(extractor) => extractor.with(py, |inner| offshoot::Head::load(&path, inner))?,
            None => py.detach(|| offshoot::Head::read(&path))?,
        };
        Ok(Self::of(head))
    }

    /// Saves the head: the file holds the old head or the new one, whenever the power fails.
    fn save(&self, py: Python<'_>, path: PathBuf) -> Outcome<()> {
        Ok(self.with(py, |head| head.save(&path))?)
    }

    /// Returns the head's bytes: its samples and settings, the same for the same training data.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.with(py, |head| head.to_bytes())))
    }

    /// Makes the head of ``to_bytes``; with an extractor only one that was taught on its package.
    ///
    /// >>> import offshoot
    /// >>> head = offshoot.Head(2)
    /// >>> head.add_class("mug")
    /// 0
    /// >>> offshoot.Head.from_bytes(head.to_bytes()).classes
    /// ['mug']
    #[staticmethod]
    #[pyo3(signature = (data, extractor=None))]
    fn from_bytes(py: Python<'_>, data: &[u8], extractor: Option<&Extractor>) -> Outcome<Self> {
        let head = match extractor {
            Some(extractor) => {
                extractor.with(py, |inner| offshoot::Head::from_bytes(data, inner))?
            }
            None => py.detach(|| offshoot::Head::decode(data))?,
        };
        Ok(Self::of(head))
    }

    /// Makes one head of several, with room for what all have room for, of the first one's kind and
    /// settings. Classes of the same name are the same.
    #[staticmethod]
    fn merged(py: Python<'_>, heads: Vec<Bound<'_, Self>>) -> Outcome<Self> {
        let copies = heads.iter().map(|head| head.get().copied(py));
        let copies = copies.collect::<Outcome<Vec<_>>>()?;
        Ok(Self::of(py.detach(|| offshoot::Head::merged(&copies))?))
    }

    /// Teaches this head all samples of another one; classes of the same name are the same.
    fn merge(&self, py: Python<'_>, other: &Self) -> Outcome<()> {
        // A copy: two threads that merge two heads into each other do not wait for each other.
        let other = other.copied(py)?;
        Ok(self.with(py, |head| head.merge(&other))?)
    }

    /// Adds a class; returns its number.
    ///
    /// Raises ``HeadError`` for a name that is empty, too long, unreadable or taken, or without
    /// room for another class.
    fn add_class(&self, py: Python<'_>, name: &str) -> Outcome<usize> {
        let added = self.with(py, |head| head.add_class(name));
        Ok(added.map_err(|error| Failure::of_name(error, name))?.index())
    }

    /// Adds a sample to a class. A full head evicts by ``when_full``.
    fn add_sample(
        &self,
        py: Python<'_>,
        class_: ClassRef,
        embedding: &Bound<'_, PyAny>,
    ) -> Outcome<()> {
        let Vectors::One(values) = Vectors::of(embedding)? else {
            return Err(Failure::Head("several embeddings; add them by `add_samples`".into()));
        };
        self.add(py, &class_, &[values])
    }

    /// Adds samples to a class: ``Embeddings``, a list of ``Embedding``, or an array of rows.
    ///
    /// They are added in order; if one is refused, those before it stay.
    fn add_samples(
        &self,
        py: Python<'_>,
        class_: ClassRef,
        embeddings: &Bound<'_, PyAny>,
    ) -> Outcome<()> {
        match Vectors::of(embeddings)? {
            Vectors::Many(rows) => self.add(py, &class_, &rows),
            Vectors::One(_) => Err(Failure::Head("one embedding; add it by `add_sample`".into())),
        }
    }

    /// Takes back the newest sample; returns the name of its class, or ``None`` without samples.
    fn undo(&self, py: Python<'_>) -> Option<String> {
        self.with(py, |head| head.undo().map(|class| name_of(head, class)))
    }

    /// Removes the sample with that index among ``samples``; returns the name of its class.
    fn remove_sample(&self, py: Python<'_>, sample: usize) -> Outcome<String> {
        self.with(py, |head| {
            let class = head.remove_sample(sample)?;
            Ok(name_of(head, class))
        })
    }

    /// Removes a class with its samples; the numbers of the classes after it move down by one.
    fn remove_class(&self, py: Python<'_>, class_: ClassRef) -> Outcome<()> {
        self.with(py, |head| {
            let class = class_.find(head)?;
            Ok(head.remove_class(class)?)
        })
    }

    /// Renames a class.
    fn rename_class(&self, py: Python<'_>, class_: ClassRef, name: &str) -> Outcome<()> {
        self.with(py, |head| {
            let class = class_.find(head)?;
            head.rename_class(class, name).map_err(|error| Failure::of_name(error, name))
        })
    }

    /// Takes what was evicted out of the class means.
    fn forget_left_out(&self, py: Python<'_>) {
        self.with(py, offshoot::Head::forget_left_out);
    }

    /// Names of the classes, in the order of their numbers.
    #[getter]
    fn classes(&self, py: Python<'_>) -> Vec<String> {
        self.with(py, |head| head.classes().map(|(_, name)| name.to_string()).collect())
    }

    /// Samples that are kept, the oldest first: ``(class, embedding)`` each.
    #[getter]
    fn samples(&self, py: Python<'_>) -> Vec<(String, Embedding)> {
        self.with(py, |head| {
            let samples = head.samples();
            samples.map(|(class, x)| (name_of(head, class), Embedding(Values::of(x)))).collect()
        })
    }

    /// Returns the number of samples of a class that are kept.
    fn samples_of(&self, py: Python<'_>, class_: ClassRef) -> Outcome<usize> {
        self.with(py, |head| Ok(head.samples_of(class_.find(head)?)))
    }

    /// Returns the number of samples that a class has ever seen, kept or evicted.
    fn shown_of(&self, py: Python<'_>, class_: ClassRef) -> Outcome<u32> {
        self.with(py, |head| Ok(head.shown_of(class_.find(head)?)))
    }

    /// Algorithm: ``"auto"``, ``"ncm"``, ``"softmax"``, ``"ridge"``, ``"slda"`` or ``"knn"``.
    #[getter]
    fn kind(&self, py: Python<'_>) -> &'static str {
        self.with(py, |head| head.kind().name())
    }

    /// Number of values of an embedding.
    #[getter]
    fn dim(&self, py: Python<'_>) -> usize {
        self.with(py, |head| head.dim())
    }

    /// Number of classes and of samples that memory is reserved for.
    #[getter]
    fn limits(&self, py: Python<'_>) -> (u16, u16) {
        let limits = self.with(py, |head| head.limits());
        (limits.classes, limits.samples)
    }

    /// Digest of the package that the head was taught on: 64 hexadecimal digits.
    #[getter]
    fn package_id(&self, py: Python<'_>) -> String {
        self.with(py, |head| head.package_id().to_string())
    }

    /// Target false-rejection rate, 0 to 0.5: the share of known samples that may be called
    /// unknown; 0 turns unknown answers off.
    #[getter]
    fn false_rejection_rate(&self, py: Python<'_>) -> f32 {
        self.with(py, |head| head.false_rejection_rate())
    }

    #[setter]
    fn set_false_rejection_rate(&self, py: Python<'_>, rate: f32) -> Outcome<()> {
        Ok(self.with(py, |head| head.set_false_rejection_rate(rate))?)
    }

    /// Inverse L2 regularization, scikit-learn's ``C``: 0.001 to 1000.
    #[getter]
    fn inverse_l2(&self, py: Python<'_>) -> f32 {
        self.with(py, |head| head.inverse_l2())
    }

    #[setter]
    fn set_inverse_l2(&self, py: Python<'_>, inverse_l2: f32) -> Outcome<()> {
        Ok(self.with(py, |head| head.set_inverse_l2(inverse_l2))?)
    }

    /// Transform of embeddings before they are learned: ``"raw"``, ``"half"``, ``"unit"`` or
    /// ``"quarter"``; ``auto`` chooses its own.
    #[getter]
    fn transform(&self, py: Python<'_>) -> &'static str {
        self.with(py, |head| transform_name(head.recipe().transform))
    }

    #[setter]
    fn set_transform(&self, py: Python<'_>, transform: &str) -> Outcome<()> {
        let found = Transform::ALL.into_iter().find(|known| transform_name(*known) == transform);
        let transform = found.ok_or_else(|| {
            Failure::Head(format!("transform `{transform}`, allowed are raw, half, unit, quarter"))
        })?;
        self.with(py, |head| head.set_transform(transform));
        Ok(())
    }

    /// Eviction policy of a full head: ``"refuse"``, ``"reservoir"`` or ``"herding"``.
    #[getter]
    fn when_full(&self, py: Python<'_>) -> &'static str {
        self.with(py, |head| policy_name(head.when_full()))
    }

    #[setter]
    fn set_when_full(&self, py: Python<'_>, policy: &str) -> Outcome<()> {
        let found = WhenFull::ALL.into_iter().find(|known| policy_name(*known) == policy);
        let policy = found.ok_or_else(|| {
            Failure::Head(format!("when_full `{policy}`, allowed are refuse, reservoir, herding"))
        })?;
        self.with(py, |head| head.set_when_full(policy));
        Ok(())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.with(py, |head| head.sample_count())
    }

    fn __bool__(&self) -> bool {
        // An empty head is a head.
        true
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.with(py, |head| {
            let limits = head.limits();
            format!(
                "<Head {}, {} of {} classes, {} of {} samples of {} values>",
                head.kind(),
                head.class_count(),
                limits.classes,
                head.sample_count(),
                limits.samples,
                head.dim()
            )
        })
    }

    fn __copy__(&self, py: Python<'_>) -> Outcome<Self> {
        Ok(Self::of(self.copied(py)?))
    }

    /// Returns a head of its own with the same samples and settings.
    fn copy(&self, py: Python<'_>) -> Outcome<Self> {
        self.__copy__(py)
    }

    fn __deepcopy__(&self, py: Python<'_>, _memo: &Bound<'_, PyAny>) -> Outcome<Self> {
        self.__copy__(py)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyTuple>> {
        let make = py.get_type::<Self>().getattr("from_bytes")?;
        Ok((make, (self.to_bytes(py)?,)).into_pyobject(py)?)
    }
}

impl Head {
    fn of(head: offshoot::Head) -> Self {
        Self { inner: Mutex::new(head) }
    }

    /// Waits for the head. Only who does not hold Python's lock may wait.
    pub fn lock(&self) -> MutexGuard<'_, offshoot::Head> {
        // A panic cannot leave a head that is unsafe to use; its next fit begins anew.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `work` with the head when it is free; Python runs on meanwhile.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut offshoot::Head) -> T + Send,
    ) -> T {
        py.detach(|| work(&mut self.lock()))
    }

    fn add(&self, py: Python<'_>, class: &ClassRef, rows: &[Values]) -> Outcome<()> {
        self.with(py, |head| {
            let class = class.find(head)?;
            for row in rows {
                head.add_sample(class, row.borrowed())?;
            }
            Ok(())
        })
    }

    fn copied(&self, py: Python<'_>) -> Outcome<offshoot::Head> {
        let bytes = self.with(py, |head| head.to_bytes());
        Ok(py.detach(|| offshoot::Head::decode(&bytes))?)
    }
}

fn name_of(head: &offshoot::Head, class: ClassId) -> String {
    head.class_name(class).unwrap_or_default().to_string()
}

fn transform_name(transform: Transform) -> &'static str {
    match transform {
        Transform::Raw => "raw",
        Transform::Half => "half",
        Transform::Unit => "unit",
        _ => "quarter",
    }
}

fn policy_name(policy: WhenFull) -> &'static str {
    match policy {
        WhenFull::Refuse => "refuse",
        WhenFull::Reservoir => "reservoir",
        _ => "herding",
    }
}

fn parsed(id: &str) -> Outcome<PackageId> {
    let wrong = || Failure::Head(format!("package_id `{id}`, wanted are 64 hexadecimal digits"));
    if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&id[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(PackageId::new(bytes))
}
