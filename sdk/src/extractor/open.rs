//! Opening a package: its memory map, its plan, its memory.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use offshoot_core::Package;
use offshoot_core::graph::{Element, Graph};
use offshoot_core::package::{Packed, Precision};
use offshoot_engine::{Buffer, Plan, Team, TextPlan};

use crate::{Error, ErrorKind, Options};

#[cfg(feature = "tract")]
use super::Input;
use super::{Backend, Bytes, Clip, Extractor, Feed, Front, Panels};

/// Name of a package, for who named a folder.
const PACKAGE: &str = "a file that ends with .offshoot";

impl Extractor {
    /// Opens a package file; the weights are used where the memory map puts them.
    ///
    /// ```
    /// use offshoot::Extractor;
    ///
    /// let extractor = Extractor::open("tests/tiny.offshoot")?;
    /// println!("{} values, {}", extractor.embedding_dim(), extractor.package().manifest().source);
    ///
    /// let error = Extractor::open("absent.offshoot").unwrap_err();
    /// assert!(error.to_string().starts_with("absent.offshoot: "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A file that cannot be read, is not a package, or needs a feature this program lacks.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, &Options::new())
    }

    /// [`Extractor::open`] with settings.
    ///
    /// ```
    /// use std::num::NonZeroU8;
    ///
    /// use offshoot::{Extractor, Options};
    ///
    /// let two = NonZeroU8::MIN.saturating_add(1);
    /// let options = Options::new().threads(two);
    /// let extractor = Extractor::open_with("tests/tiny.offshoot", &options)?;
    /// assert_eq!(extractor.threads(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Extractor::open`], or the system gives no threads.
    pub fn open_with(path: impl AsRef<Path>, options: &Options) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|e| Error::of_file(e, path, PACKAGE))?;
        // SAFETY: the map is only read. Its bytes are as constant as the file: whoever truncates or
        // rewrites a package in place while it is open breaks this, which is why our tools replace
        // packages by rename; `from_bytes` is there for files that cannot be trusted to stay.
        let map = unsafe { memmap2::Mmap::map(&file) };
        let map = map.map_err(|e| Error::of_file(e, path, PACKAGE))?;
        Self::build(Bytes::Map(map), options).map_err(|e| Error::at(e, path))
    }

    /// Opens a package in memory.
    ///
    /// ```
    /// use offshoot::{ErrorKind, Extractor};
    ///
    /// let mut bytes = std::fs::read("tests/tiny.offshoot")?;
    /// Extractor::from_bytes(bytes.clone())?;
    ///
    /// // Every byte is under a checksum.
    /// bytes[100] ^= 1;
    /// let error = Extractor::from_bytes(bytes).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Package(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Extractor::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        Self::from_bytes_with(bytes, &Options::new())
    }

    /// [`Extractor::from_bytes`] with settings.
    ///
    /// ```
    /// use offshoot::{Extractor, Isa, Options};
    ///
    /// // The portable kernels, to compare with.
    /// let options = Options::new().isa(Isa::GENERIC);
    /// let bytes = std::fs::read("tests/tiny.offshoot")?;
    /// let extractor = Extractor::from_bytes_with(bytes, &options)?;
    /// assert_eq!(extractor.isa(), Some(Isa::GENERIC));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Extractor::open_with`].
    pub fn from_bytes_with(bytes: Vec<u8>, options: &Options) -> Result<Self, Error> {
        Ok(Self::build(Bytes::Owned(bytes), options)?)
    }

    /// Opens a package linked into the program with `include_bytes!`.
    ///
    /// ```
    /// use offshoot::Extractor;
    ///
    /// static PACKAGE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.offshoot"));
    ///
    /// let extractor = Extractor::from_static(PACKAGE)?;
    /// assert_eq!(extractor.memory().package, PACKAGE.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Extractor::open`].
    pub fn from_static(bytes: &'static [u8]) -> Result<Self, Error> {
        Ok(Self::build(Bytes::Static(bytes), &Options::new())?)
    }

    fn build(bytes: Bytes, options: &Options) -> Result<Self, ErrorKind> {
        let package = Package::open(&bytes)?;
        if !cfg!(feature = "sound") && package.sound().is_some() {
            return Err(ErrorKind::NeedsSound);
        }
        let graph = package.graph();
        let backend = match package.manifest().precision {
            Precision::Int8 | Precision::Dynamic => engine(&bytes, &package, options)?,
            precision => tract(&bytes, &package, precision, options)?,
        };
        let element = graph.tensor(graph.output()).element;
        let front = Front::new(&bytes, &package);
        let id = package.manifest().id;
        let parts = package.parts();
        let unit_length = package.manifest().extras.unit_length;
        let unit = match element {
            Element::Float if unit_length => vec![0.0; parts.dim()],
            _ => Vec::new(),
        };
        let split = None;
        let clip = Clip::new(&bytes, &package).map(Box::new);
        let cells = package.cells().copied().map(Box::new);
        Ok(Self {
            bytes,
            backend,
            front,
            element,
            parts,
            id,
            unit_length,
            unit,
            split,
            clip,
            cells,
        })
    }
}

fn engine(bytes: &[u8], package: &Package<'_>, options: &Options) -> Result<Backend, ErrorKind> {
    let graph = package.graph();
    let config = options.config()?;
    let all = 0..graph.node_count();
    let (plan, _) = Plan::build(graph, config, all, &[Graph::INPUT], &[graph.output()])?;
    let buffer = |need| Buffer::new(need).map_err(|_| ErrorKind::Memory { need });
    let arena = buffer(plan.arena_bytes())?;
    let place = |part| place(bytes, part);
    let need = plan.packed_bytes();
    let fits = |packed: &Packed<'_>| packed.panels.len() == need && config.isa.reads(packed);
    let panels = match package.packed().filter(fits) {
        Some(packed) => Panels::InFile(place(bytemuck::cast_slice(packed.panels))),
        None => {
            let mut own = buffer(need)?;
            plan.pack(graph.weights(), &mut own)?;
            Panels::Own(own)
        }
    };
    let weights = place(graph.weights());
    let shape = plan.input().shape;
    let feed = match (graph.tensor(Graph::INPUT).element, package.text()) {
        (Element::Float, Some(text)) => {
            let own = match package.manifest().extras.own_length {
                true => TextPlan::build(graph, config)?.map(Box::new),
                false => None,
            };
            Feed::Tokens { tokens: text.tokens, shape, table: place(package.token_table()), own }
        }
        (Element::Float, None) => Feed::Floats,
        (Element::Int8(_), _) => Feed::Codes(package.input_table().to_vec()),
    };
    let team = team(options).map_err(ErrorKind::Threads)?;
    Ok(Backend::Engine { plan, team, panels, arena, weights, feed })
}

/// Threads that run a plan together; one thread that may go where it likes needs no team.
fn team(options: &Options) -> io::Result<Option<Team>> {
    match (options.threads.get(), options.pin) {
        (threads, true) => crate::cores::pinned(threads),
        (1, false) => Ok(None),
        (threads, false) => Team::new(threads).map(Some),
    }
}

/// Range of a slice in the file, so that it need not be borrowed.
pub(super) fn place(file: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - file.as_ptr().addr();
    start..start + part.len()
}

#[cfg(feature = "tract")]
fn tract(
    bytes: &[u8],
    package: &Package<'_>,
    _precision: Precision,
    options: &Options,
) -> Result<Backend, ErrorKind> {
    let graph = package.graph();
    let shape = graph.tensor(Graph::INPUT).shape;
    let values = shape.elements();
    let input = match (graph.tensor(Graph::INPUT).element, package.text()) {
        (Element::Float, Some(text)) => Input::Tokens {
            values: vec![0.0; values],
            tokens: text.tokens,
            shape,
            table: place(bytes, package.token_table()),
        },
        (Element::Int8(_), _) => {
            Input::Codes { codes: vec![0; values], table: package.input_table().to_vec() }
        }
        (Element::Float, None) => Input::Floats(vec![0.0; values]),
    };
    let network = match options.reproducible {
        true => offshoot_tract::Network::reproducible(graph)?,
        false => offshoot_tract::Network::new(graph)?,
    };
    let network = Box::new(network);
    Ok(Backend::Tract { network, input, nodes: graph.node_count() })
}

#[cfg(not(feature = "tract"))]
fn tract(
    _: &[u8],
    _: &Package<'_>,
    precision: Precision,
    _: &Options,
) -> Result<Backend, ErrorKind> {
    Err(ErrorKind::NeedsTract { precision: precision.name() })
}
