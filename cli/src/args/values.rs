//! Values of options that name an enum of the libraries, which know nothing of a command line.

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

/// Parses `A` with its value names and help, and converts it to the library's `T`.
pub(super) fn value<A, T>() -> impl TypedValueParser<Value = T>
where
    A: ValueEnum + Into<T> + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    EnumValueParser::<A>::new().map(Into::into)
}

values! {
    /// Formats of data sets.
    FormatArg for Format {
        /// Folder per class, or train/ and val/ with such folders (ImageNet).
        Folder,
        /// Table labels.csv of files and classes, in columns such as `file` and `label`.
        Csv,
        /// IDX files (MNIST, Fashion-MNIST, EMNIST), also with .gz.
        Idx,
        /// CIFAR-10 or CIFAR-100, binary version.
        Cifar,
        /// COCO: annotations/instances_*.json, _annotations.coco.json or annotations.json; one
        /// image per box.
        Coco,
        /// Pascal VOC: Annotations/*.xml and JPEGImages/, or beside each other; one image per box.
        Voc,
        /// YOLO: data.yaml or classes.txt, and a .txt file of boxes per image; one image per box.
        Yolo,
        /// Open Images: *-annotations-bbox.csv; one image per box.
        OpenImages,
        /// MIRFLICKR: im1.jpg, meta/tags/tags1.txt; images with exactly one of the tags.
        Mirflickr,
        /// Folder of .txt files per class, or train/ and test/ with such folders (IMDb).
        Texts,
        /// SQuAD: train-v*.json, dev-v*.json; paragraphs labelled by article.
        Squad,
        /// WikiText: wiki.train.tokens or .raw; paragraphs labelled by article.
        Wikitext,
        /// Text file (.txt), one text per line.
        Lines,
        /// Folder of .wav files per class, or train/ and val/ with such folders; Speech Commands with its
        /// lists.
        Sounds,
        /// Folder of .npy, .npz and .csv files per class, a recording each.
        Signals,
        /// File of many samples: .npz with x and y (or x_train, y_train, x_test, y_test), or .csv with a
        /// column `label`.
        Arrays,
    }
}

values! {
    /// Methods of range estimation.
    RangesArg for Method {
        /// Minimum mean squared error over all values; may clip outliers (Nagel et al. 2021, "A
        /// white paper on neural network quantization", 3.1).
        Mse,
        /// Smallest and largest value observed.
        Minmax,
        /// Percentiles: clips a hundred-thousandth of the values at each end.
        Percentile,
        /// Minimum Kullback-Leibler divergence between the values and the quantized values (Migacz
        /// 2017, "8-bit inference with TensorRT").
        Kl,
    }
}

values! {
    /// Poolings of a feature map.
    PoolArg for Pool {
        /// Global average pooling.
        Avg,
        /// Global max pooling.
        Max,
        /// Generalized mean (GeM) with exponent 3 (Radenovic et al. 2018).
        Gem,
        /// No pooling: all positions are kept.
        None,
        /// First token of a text, BERT's `[CLS]`.
        First,
        /// Last token of a text.
        Last,
    }
}

values! {
    /// Normalizations of pixels.
    PresetArg for Preset {
        /// PyTorch: scaled to 0..1, then ImageNet's mean and standard deviation per channel.
        Imagenet,
        /// TensorFlow: scaled to -1..1.
        Tf,
        /// CLIP: like PyTorch, with the mean and standard deviation of CLIP's training images.
        Clip,
        /// Scaled to 0..1.
        Unit,
        /// Raw bytes, 0 to 255.
        Raw,
    }
}

values! {
    /// Use of an optional step.
    SwitchArg for Switch {
        /// Used if it improves the result.
        Auto,
        /// Always used.
        On,
        /// Never used.
        Off,
    }
}

values! {
    /// Roundings of weights.
    RoundingArg for Rounding {
        /// Round to nearest.
        Nearest,
        /// Adaptive: up or down, whichever changes the layer's output less; better for weights not
        /// trained for 8 bits.
        Adaptive,
    }
}
