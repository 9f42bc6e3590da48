//! Formats of data sets, one per file.

pub(crate) mod array;
pub(crate) mod coco;
pub(crate) mod csv;
pub(crate) mod folder;
pub(crate) mod idx_cifar;
pub(crate) mod mirflickr;
pub(crate) mod open_images;
pub(crate) mod text;
pub(crate) mod voc;
pub(crate) mod wav;
pub(crate) mod yolo;
