//! Values of options that name a choice of the libraries, which know nothing of a command line.

use clap::ValueEnum;
use clap::builder::{EnumValueParser, TypedValueParser};
use offshoot_convert::calibrate::ranges::Method;
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::preprocess::preset::Preset;
use offshoot_convert::quantize::{Rounding, Switch};
use offshoot_dataset::Format;

/// Defines an enum of the same variants with a value name and a help text each.
macro_rules! values {
    ($(#[$doc:meta])* $name:ident for $of:ident { $($(#[$help:meta])* $value:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
        pub enum $name {
            $($(#[$help])* $value,)*
        }

        impl From<$name> for $of {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$value => Self::$value,)*
                }
            }
        }
    };
}

/// Parses `A` with its value names and help, and gives the library's `T`.
pub(super) fn value<A, T>() -> impl TypedValueParser<Value = T>
where
    A: ValueEnum + Into<T> + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    EnumValueParser::<A>::new().map(Into::into)
}

values! {
    /// Layouts of data sets.
    FormatArg for Format {
        /// A folder per class, or train/ and val/ with such folders (ImageNet).
        Folder,
        /// labels.csv: a table of files and their classes, in columns such as `file` and `label`.
        Csv,
        /// IDX files (MNIST, Fashion-MNIST, EMNIST), also with .gz.
        Idx,
        /// Binary CIFAR-10 or CIFAR-100.
        Cifar,
        /// COCO: annotations/instances_*.json, _annotations.coco.json or annotations.json; a picture for each box.
        Coco,
        /// Pascal VOC: Annotations/*.xml and JPEGImages/, or beside each other; a picture for each box.
        Voc,
        /// YOLO: data.yaml or classes.txt, and a .txt file of boxes for each picture; a picture for each box.
        Yolo,
        /// Open Images: *-annotations-bbox.csv; a picture for each box.
        OpenImages,
        /// MIRFLICKR: im1.jpg, meta/tags/tags1.txt; pictures with exactly one of the tags.
        Mirflickr,
        /// A folder of .txt files per class, or train/ and test/ with such folders (IMDb).
        Texts,
        /// SQuAD: train-v*.json, dev-v*.json; paragraphs by their article.
        Squad,
        /// WikiText: wiki.train.tokens or .raw; paragraphs by their article.
        Wikitext,
        /// A .txt file, each line a text.
        Lines,
    }
}

values! {
    /// Methods of choosing a range.
    RangesArg for Method {
        /// Least squared error of all values: a few large ones may be cut off (Nagel et al. 2021, "A white
        /// paper on neural network quantization", 3.1).
        Mse,
        /// From the smallest to the largest value seen.
        Minmax,
        /// All but a hundred-thousandth of the values at each end.
        Percentile,
        /// Least information lost between the values and their codes (Migacz 2017, "8-bit inference with
        /// TensorRT").
        Kl,
    }
}

values! {
    /// Poolings of a feature map.
    PoolArg for Pool {
        /// Their mean, channel by channel.
        Avg,
        /// Their largest value.
        Max,
        /// Their generalized mean with exponent 3 (Radenovic et al. 2018).
        Gem,
        /// All stay.
        None,
        /// Of a text: the first token, BERT's `[CLS]`.
        First,
        /// Of a text: the last token.
        Last,
    }
}

values! {
    /// Normalizations of pixels.
    PresetArg for Preset {
        /// PyTorch's: bytes to 0..1, then ImageNet's mean and deviation per channel.
        Imagenet,
        /// TensorFlow's: bytes to -1..1.
        Tf,
        /// CLIP's: as PyTorch's, with the mean and deviation of the pictures it was taught with.
        Clip,
        /// Bytes to 0..1.
        Unit,
        /// Bytes as they are.
        Raw,
    }
}

values! {
    /// Use of an improvement.
    SwitchArg for Switch {
        /// If it is better so.
        Auto,
        /// It is.
        On,
        /// It is not.
        Off,
    }
}

values! {
    /// Roundings of weights.
    RoundingArg for Rounding {
        /// Each to the nearest.
        Nearest,
        /// Up or down, whichever changes what a layer gives less; better where weights were not trained for 8 bits.
        Adaptive,
    }
}
