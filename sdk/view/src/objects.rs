//! Objects that a device points at, in its image.

/// Objects in the image, and the part of it that a button teaches.
#[derive(Clone, Copy, Debug)]
pub struct Objects<'a> {
    /// Objects that were found, and those that are being taught.
    pub pointed: &'a [Pointed<'a>],
    /// Left, top, width and height of the part that a button teaches as an object, as shares of the
    /// image's sides; [`None`] while no button does.
    pub aim: Option<[f32; 4]>,
}

/// Distance up to which an object that was found is one that is taught, as a share of the sides.
const NEAR: f32 = 0.1;

/// Object in the image.
#[derive(Clone, Copy, Debug)]
pub struct Pointed<'a> {
    /// Name of its class.
    pub name: &'a str,
    /// Middle of the object: across, down, as shares of the image's sides; NaN counts as zero, other
    /// values are clamped to `0..=1`.
    pub centre: [f32; 2],
    /// Width and height as shares of the image's sides, if they are known.
    pub size: Option<[f32; 2]>,
    /// True for an object that the user points at, false for one that was found.
    pub is_taught: bool,
}

impl Objects<'_> {
    /// Returns the number of objects that were found of the class with this name.
    #[must_use]
    pub fn count(&self, name: &str) -> u32 {
        let found = self.pointed.iter().filter(|one| !one.is_taught && one.name == name);
        found.count() as u32
    }

    /// Returns true of an object that was found where one of its class is being taught, which has its
    /// name already.
    pub(crate) fn is_beside_taught(&self, found: &Pointed<'_>) -> bool {
        let is_near = |other: &Pointed<'_>| {
            let [across, down] = [0, 1].map(|side| other.centre[side] - found.centre[side]);
            across.abs().max(down.abs()) < NEAR
        };
        let mut taught = self.pointed.iter().filter(|one| one.is_taught && one.name == found.name);
        !found.is_taught && taught.any(is_near)
    }
}
