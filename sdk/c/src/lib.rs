//! Offshoot for C and C++: `liboffshoot`, its header `include/offshoot.h`, made of these sources,
//! and `include/offshoot.hpp`.
//!
//! Functions check their arguments, call the facade, and turn errors and panics into a [`Status`].
//! Nothing of C is trusted further than it must be: handles are numbers in a table, structs state
//! their size, enums are numbers. `README.md` is the manual.

#![deny(missing_docs)]

mod activations;
mod embedding;
mod extractor;
mod fault;
mod guard;
mod handle;
mod head;
mod memory;
mod spatial;
mod tuning;

pub use activations::offshoot_extractor_activations;
pub use embedding::{Embedding, EmbeddingForm, Frame, PixelFormat};
pub use extractor::cells::{CellsInfo, offshoot_extractor_get_cells};
pub use extractor::signals::{
    SampleForm, SensorInfo, Signal, offshoot_extractor_embed_recording,
    offshoot_extractor_embed_samples, offshoot_extractor_embed_signal,
    offshoot_extractor_embed_window, offshoot_extractor_get_sensor,
};
pub use extractor::{
    ExtractorHandle, ExtractorInfo, Options, Precision, Verification, offshoot_extractor_close,
    offshoot_extractor_embed, offshoot_extractor_embed_image, offshoot_extractor_embed_tokens,
    offshoot_extractor_get_info, offshoot_extractor_open, offshoot_extractor_open_bytes,
    offshoot_extractor_open_static, offshoot_extractor_source, offshoot_extractor_verify,
};
pub use fault::status::{Status, offshoot_status_name, offshoot_version};
pub use guard::offshoot_last_error;
pub use head::ask::{
    Answer, Fit, Linear, Recipe, offshoot_head_chosen, offshoot_head_classify,
    offshoot_head_contributions, offshoot_head_fit, offshoot_head_linear,
    offshoot_head_probabilities, offshoot_head_recall, offshoot_head_similarity,
    offshoot_head_wake_threshold,
};
pub use head::outcome::{
    ClassReport, Report, offshoot_head_report, offshoot_head_report_advice,
    offshoot_head_report_class, offshoot_head_report_confusion, offshoot_head_report_sample,
};
pub use head::teach::{
    ClassInfo, NAME_BYTES, offshoot_head_add_class, offshoot_head_add_sample,
    offshoot_head_class_named, offshoot_head_forget_left_out, offshoot_head_get_class,
    offshoot_head_get_sample, offshoot_head_merge, offshoot_head_remove_class,
    offshoot_head_remove_sample, offshoot_head_rename_class, offshoot_head_undo,
};
pub use head::{
    HeadHandle, HeadInfo, HeadKind, Transform, WhenFull, offshoot_head_close, offshoot_head_decode,
    offshoot_head_encode, offshoot_head_get_info, offshoot_head_kind_named, offshoot_head_load,
    offshoot_head_new, offshoot_head_read, offshoot_head_save,
    offshoot_head_set_false_rejection_rate, offshoot_head_set_inverse_l2,
    offshoot_head_set_transform, offshoot_head_set_when_full,
};
pub use memory::{In, Out, Versioned};
pub use spatial::good::{
    GoodHandle, GoodInfo, Unusual, offshoot_good_head_close, offshoot_good_head_decode,
    offshoot_good_head_encode, offshoot_good_head_fit, offshoot_good_head_get_info,
    offshoot_good_head_load, offshoot_good_head_look, offshoot_good_head_new,
    offshoot_good_head_save, offshoot_good_head_teach, offshoot_good_head_test,
    offshoot_good_head_undo,
};
pub use spatial::scene::{
    Detection, Mark, offshoot_spatial_head_changed, offshoot_spatial_head_find,
    offshoot_spatial_head_fit, offshoot_spatial_head_forget, offshoot_spatial_head_merge,
    offshoot_spatial_head_set_reference, offshoot_spatial_head_teach, offshoot_spatial_head_test,
    offshoot_spatial_head_undo,
};
pub use spatial::{
    SpatialClass, SpatialHandle, SpatialInfo, offshoot_spatial_head_add_class,
    offshoot_spatial_head_class_named, offshoot_spatial_head_close, offshoot_spatial_head_decode,
    offshoot_spatial_head_encode, offshoot_spatial_head_get_class, offshoot_spatial_head_get_info,
    offshoot_spatial_head_load, offshoot_spatial_head_new, offshoot_spatial_head_rename_class,
    offshoot_spatial_head_save,
};
pub use tuning::{
    TuningOptions, TuningVerdict, offshoot_extractor_embed_map, offshoot_extractor_finetune,
    offshoot_extractor_keep_maps, offshoot_extractor_map, offshoot_extractor_set_tail,
};
