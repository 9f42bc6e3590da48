// Offshoot for C: grow a new classifier on an old network, on the board.
// Manual: sdk/c/README.md.
//
// Functions return a status, but for three of errors and versions. If it is another one than
// OFFSHOOT_STATUS_OK, offshoot_last_error() says more, and nothing was changed.
// Structs begin with `size`, which the caller sets to sizeof the struct, also in structs that the
// library writes; all else may be 0. Those in arrays have none. Memory that a function writes must not overlap with what it
// reads. Any thread may call any function.
//
// Made by cbindgen of the sources of liboffshoot; do not edit.
// SPDX-License-Identifier: MIT OR Apache-2.0

#pragma once

#include <stddef.h>
#include <stdint.h>

// Bytes of the longest class name with its NUL.
#define OFFSHOOT_NAME_BYTES 65

// Result of a call. Numbers keep their meaning; later versions may add some.
enum offshoot_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Success.
    OFFSHOOT_STATUS_OK = 0,
    // A pointer that must not be null is null.
    OFFSHOOT_STATUS_NULL_POINTER = 1,
    // A handle of nothing open: closed, of another type, or never opened.
    OFFSHOOT_STATUS_INVALID_HANDLE = 2,
    // The `size` of a struct is not set, or is of a newer version with fields in use.
    OFFSHOOT_STATUS_INVALID_SIZE = 3,
    // A number that is none of its enum, or out of range.
    OFFSHOOT_STATUS_INVALID_VALUE = 4,
    // A text is not UTF-8.
    OFFSHOOT_STATUS_INVALID_UTF8 = 5,
    // A buffer is too short for the result.
    OFFSHOOT_STATUS_BUFFER_TOO_SMALL = 6,
    // All handles are taken; close some.
    OFFSHOOT_STATUS_TOO_MANY_HANDLES = 7,
    // A fault of the library. Close the handle: calls on it fail from now on.
    OFFSHOOT_STATUS_PANIC = 8,
    // A failure that this version has no code for; the message says more.
    OFFSHOOT_STATUS_OTHER = 9,
    // A file could not be read or written.
    OFFSHOOT_STATUS_IO = 10,
    // A file is not a package that can be run.
    OFFSHOOT_STATUS_PACKAGE = 11,
    // The graph cannot be planned, or did not run.
    OFFSHOOT_STATUS_RUN = 12,
    // The processor lacks the instruction set asked for.
    OFFSHOOT_STATUS_ISA = 13,
    // The system gives no threads, or does not let them stay on a core.
    OFFSHOOT_STATUS_THREADS = 14,
    // The network's feature maps do not fit the memory.
    OFFSHOOT_STATUS_MEMORY = 15,
    // The package needs tract-core, and the library was built without it.
    OFFSHOOT_STATUS_NEEDS_TRACT = 16,
    // A buffer is no frame of that size and format.
    OFFSHOOT_STATUS_FRAME = 17,
    // Tokens could not be brought to the network's input.
    OFFSHOOT_STATUS_TOKENS = 18,
    // A frame for a package that takes text, or tokens for one that takes images.
    OFFSHOOT_STATUS_OTHER_INPUT = 19,
    // An image cannot be decoded, is cut short, or too large.
    OFFSHOOT_STATUS_IMAGE = 20,
    // A name of no kind of head.
    OFFSHOOT_STATUS_HEAD_KIND = 21,
    // Limits or settings that a head cannot have.
    OFFSHOOT_STATUS_HEAD_SETTINGS = 22,
    // Bytes that are no head, or damaged.
    OFFSHOOT_STATUS_HEAD_DAMAGED = 23,
    // A head of another package.
    OFFSHOOT_STATUS_OTHER_PACKAGE = 24,
    // A class name that is empty, too long, or has hidden characters.
    OFFSHOOT_STATUS_CLASS_NAME = 25,
    // A class of that name exists already.
    OFFSHOOT_STATUS_CLASS_EXISTS = 26,
    // The head has no room for more classes or samples.
    OFFSHOOT_STATUS_FULL = 27,
    // No class of that number or name.
    OFFSHOOT_STATUS_NO_SUCH_CLASS = 28,
    // No sample of that number, or none to take back.
    OFFSHOOT_STATUS_NO_SUCH_SAMPLE = 29,
    // An embedding of another number of dimensions.
    OFFSHOOT_STATUS_WRONG_LENGTH = 30,
    // An embedding with a value that is infinite or NaN.
    OFFSHOOT_STATUS_NOT_FINITE = 31,
    // Nothing has been taught.
    OFFSHOOT_STATUS_NOTHING_TAUGHT = 32,
    // The head must be fitted before it can answer.
    OFFSHOOT_STATUS_NOT_FITTED = 33,
    // A head of kind k-NN has no weights.
    OFFSHOOT_STATUS_NOT_LINEAR = 34,
    // The package has no class activation map.
    OFFSHOOT_STATUS_NO_MAP = 35,
    // Bytes that are no tuned tail, or damaged.
    OFFSHOOT_STATUS_TAIL_DAMAGED = 36,
    // The network does not end in a layer that can be tuned.
    OFFSHOOT_STATUS_UNTUNABLE = 37,
    // The package gives embeddings, not cells.
    OFFSHOOT_STATUS_NO_CELLS = 38,
    // Samples that are no signal or sound for the package.
    OFFSHOOT_STATUS_SIGNAL = 39,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum offshoot_status offshoot_status;
#else
typedef int32_t offshoot_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Order of a frame's bytes.
enum offshoot_pixel_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Three bytes: red, green, blue.
    OFFSHOOT_PIXEL_FORMAT_RGB8 = 1,
    // Three bytes: blue, green, red (OpenCV's order).
    OFFSHOOT_PIXEL_FORMAT_BGR8 = 2,
    // One byte of luminance.
    OFFSHOOT_PIXEL_FORMAT_GRAY8 = 3,
    // Two bytes, little-endian: 5 bits of red, 6 of green, 5 of blue.
    OFFSHOOT_PIXEL_FORMAT_RGB565 = 4,
    // Packed YUV 4:2:2 (V4L2 YUYV, YUY2). The width is even.
    OFFSHOOT_PIXEL_FORMAT_YUYV = 5,
    // Planar YUV 4:2:0 (V4L2 NV12): luma, then U and V in turns. Both sides are even.
    OFFSHOOT_PIXEL_FORMAT_NV12 = 6,
    // Planar YUV 4:2:0 (V4L2 YU12, I420): luma, U, V. Both sides, and the stride, are even.
    OFFSHOOT_PIXEL_FORMAT_I420 = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum offshoot_pixel_format offshoot_pixel_format;
#else
typedef uint32_t offshoot_pixel_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Type of an embedding's values.
enum offshoot_embedding_form
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // int8_t; the real value is scale * (value - zero_point).
    OFFSHOOT_EMBEDDING_FORM_INT8 = 1,
    // float.
    OFFSHOOT_EMBEDDING_FORM_FLOAT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum offshoot_embedding_form offshoot_embedding_form;
#else
typedef uint32_t offshoot_embedding_form;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Type of a signal's samples.
enum offshoot_sample_form
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // int16_t, as converters give them; the package has the value of one step.
    OFFSHOOT_SAMPLE_FORM_INT16 = 1,
    // float, in the unit of the network's training data.
    OFFSHOOT_SAMPLE_FORM_FLOAT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum offshoot_sample_form offshoot_sample_form;
#else
typedef uint32_t offshoot_sample_form;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Precision of a package's network.
enum offshoot_precision
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // All int8: the engine runs it alone.
    OFFSHOOT_PRECISION_INT8 = 1,
    // All floats: tract-core runs it.
    OFFSHOOT_PRECISION_FLOAT = 2,
    // Int8 where the engine has the operation, floats elsewhere.
    OFFSHOOT_PRECISION_MIXED = 3,
    // Linear layers in int8 with scales computed in the run, the rest in floats: the engine runs it
    // alone, with the same bits everywhere.
    OFFSHOOT_PRECISION_DYNAMIC = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum offshoot_precision offshoot_precision;
#else
typedef uint32_t offshoot_precision;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Algorithm of a head.
enum offshoot_head_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Nearest class mean by angle; for one or two samples per class.
    OFFSHOOT_HEAD_KIND_NEAREST_MEAN = 0,
    // Softmax regression; for classes that are well separated.
    OFFSHOOT_HEAD_KIND_SOFTMAX = 1,
    // Ridge regression; accurate for overlapping classes.
    OFFSHOOT_HEAD_KIND_RIDGE = 2,
    // Linear discriminant analysis; for very uneven numbers of samples.
    OFFSHOOT_HEAD_KIND_SLDA = 3,
    // The five nearest samples vote; for classes with several appearances and many samples.
    OFFSHOOT_HEAD_KIND_KNN = 4,
    // A mean of ridge regressions and discriminant analyses, weighted by held-out samples.
    OFFSHOOT_HEAD_KIND_AUTO = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum offshoot_head_kind offshoot_head_kind;
#else
typedef uint32_t offshoot_head_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Transform of an embedding's L2 norm before a head sees it.
enum offshoot_transform
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Unchanged up to a common factor.
    OFFSHOOT_TRANSFORM_RAW = 0,
    // Half way to L2 normalization.
    OFFSHOOT_TRANSFORM_HALF = 1,
    // L2 normalization.
    OFFSHOOT_TRANSFORM_UNIT = 2,
    // Three quarters of the way to L2 normalization.
    OFFSHOOT_TRANSFORM_QUARTER = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum offshoot_transform offshoot_transform;
#else
typedef uint32_t offshoot_transform;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Eviction policy of a head that is full of samples.
enum offshoot_when_full
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Refuse the new sample.
    OFFSHOOT_WHEN_FULL_REFUSE = 0,
    // Keep each sample ever seen with the same probability.
    OFFSHOOT_WHEN_FULL_RESERVOIR = 1,
    // Keep the samples whose mean is nearest to that of all samples seen.
    OFFSHOOT_WHEN_FULL_HERDING = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum offshoot_when_full offshoot_when_full;
#else
typedef uint32_t offshoot_when_full;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Settings of an extractor. All but `size` may be 0, which is the default.
typedef struct {
    // sizeof(offshoot_options).
    uint32_t size;
    // Number of threads that share the network, including the caller's; 0 is 1, at most 255.
    uint32_t threads;
    // Name of the kernels' instruction set, such as "generic"; null takes the fastest.
    const char *isa;
    // 1 runs expansion, depthwise convolution and projection apart: more memory, the same values.
    uint32_t no_row_fusion;
    // 1 pins each thread to a core of its own; the opening thread stays pinned.
    uint32_t pin;
    // 1 makes float results the same bits everywhere, which takes longer.
    uint32_t reproducible;
} offshoot_options;

// Handle of an open package. It is a number, to be copied at will; 0 is none.
typedef struct {
    // Number that is never given out twice.
    uint64_t id;
} offshoot_extractor;

// Properties of an extractor.
typedef struct {
    // sizeof(offshoot_extractor_info).
    uint32_t size;
    // Number of enum offshoot_precision.
    uint32_t precision;
    // Number of enum offshoot_embedding_form.
    uint32_t embedding_form;
    // Number of threads that share the network.
    uint32_t threads;
    // Number of dimensions of an embedding.
    size_t dim;
    // Bytes of an embedding's values.
    size_t embedding_bytes;
    // Max number of tokens of a text; 0 if the package takes images.
    size_t token_limit;
    // Bytes of the arena, which holds the feature maps; 0 if tract-core manages them.
    size_t arena_bytes;
    // Bytes of the largest set of feature maps alive at once, if every one existed as a whole.
    size_t live_set_bytes;
    // Bytes of the weights in the order of the processor's kernels.
    size_t packed_bytes;
    // Bytes of the package; they stay in the file if it is memory-mapped.
    size_t package_bytes;
    // 1 if the package holds the weights in the kernels' order, so that they are used in place.
    uint32_t packed_in_file;
    // Digest that binds heads to this package.
    uint8_t package_id[32];
    // Name of the kernels' instruction set; empty if tract-core runs the network.
    char isa[20];
} offshoot_extractor_info;

// Outcome of the golden vectors.
typedef struct {
    // sizeof(offshoot_verification).
    uint32_t size;
    // 1 if every vector gave what it must.
    uint32_t is_ok;
    // Number of vectors run.
    size_t vectors;
    // Number of vectors that gave what they must.
    size_t passed;
    // SHA-256 over the package's id and all outputs; for int8 packages the same on every machine.
    uint8_t digest[32];
} offshoot_verification;

// Image in the caller's memory.
typedef struct {
    // sizeof(offshoot_frame).
    uint32_t size;
    // Number of enum offshoot_pixel_format.
    uint32_t format;
    // Number of columns, 1 to 12,288.
    uint32_t width;
    // Number of rows, 1 to 12,288.
    uint32_t height;
    // Bytes from one row to the next; 0 if rows follow each other without gaps.
    size_t stride;
    // First byte of the first row. Planes follow each other, as V4L2 has them.
    const uint8_t *pixels;
    // Number of bytes at `pixels`.
    size_t bytes;
} offshoot_frame;

// Embedding in the caller's memory.
//
// Before an embedding is written, set `size`, `values` and `bytes`; offshoot_extractor_info tells
// how many bytes it takes. To make one of your own, set all fields: `scale` and `zero_point` are
// for int8_t only.
typedef struct {
    // sizeof(offshoot_embedding).
    uint32_t size;
    // Number of enum offshoot_embedding_form; written by the library.
    uint32_t form;
    // Memory of the caller for int8_t or float, aligned for them.
    void *values;
    // Number of bytes at `values`.
    size_t bytes;
    // Number of dimensions; written by the library.
    size_t dim;
    // Real value of one step of int8_t; written by the library.
    float scale;
    // Value that stands for 0, -128 to 127; written by the library.
    int32_t zero_point;
} offshoot_embedding;

// Input of a package that takes signals, or sound.
typedef struct {
    // sizeof(offshoot_sensor_info).
    uint32_t size;
    // Number of channels of a signal; 0 if the package takes none.
    uint32_t channels;
    // Number of places of a window: steps of time, or pixels; of sound, samples.
    size_t places;
    // Number of places from one window of a recording to the next; of sound, samples.
    size_t step;
    // Sampling rate in Hz; 0 where it is not stated, as for maps and vectors.
    float rate;
    // Value of one step of an int16_t sample.
    float unit;
    // 1 if the package takes sound.
    uint32_t is_sound;
} offshoot_sensor_info;

// Samples of a sensor in the caller's memory: the channels of the first place, then those of the
// second. Places are steps of time, or pixels.
typedef struct {
    // sizeof(offshoot_signal).
    uint32_t size;
    // Number of enum offshoot_sample_form.
    uint32_t form;
    // First sample, aligned for its type.
    const void *samples;
    // Number of samples: places times channels.
    size_t count;
    // Number of channels.
    uint32_t channels;
} offshoot_signal;

// Layout of the cells that a package gives.
typedef struct {
    // sizeof(offshoot_cells_info).
    uint32_t size;
    // Number of rows of the finest grid; 0 if the package gives embeddings.
    uint32_t rows;
    // Number of its columns.
    uint32_t columns;
    // Number of values of a cell, with the means of its neighbourhoods.
    uint32_t values;
    // Distance between neighbouring cells across, as a share of the frame's width.
    float step_x;
    // Distance between neighbouring cells down, as a share of the frame's height.
    float step_y;
} offshoot_cells_info;

// Handle of a head. It is a number, to be copied at will; 0 is none.
typedef struct {
    // Number that is never given out twice.
    uint64_t id;
} offshoot_head;

// Properties and settings of a head.
typedef struct {
    // sizeof(offshoot_head_info).
    uint32_t size;
    // Number of enum offshoot_head_kind.
    uint32_t kind;
    // Number of enum offshoot_transform.
    uint32_t transform;
    // Number of enum offshoot_when_full.
    uint32_t when_full;
    // Max number of classes.
    uint32_t max_classes;
    // Max number of samples, all classes together.
    uint32_t max_samples;
    // Number of classes.
    uint32_t classes;
    // Number of samples that are kept.
    uint32_t samples;
    // Number of dimensions of an embedding.
    size_t dim;
    // Bytes of the encoded head.
    size_t encoded_bytes;
    // Inverse L2 regularization.
    float inverse_l2;
    // Target false-rejection rate.
    float false_rejection_rate;
    // 1 if nothing has changed since the last fit.
    uint32_t is_fitted;
    // Digest of the package that the head was taught on.
    uint8_t package_id[32];
} offshoot_head_info;

// Properties of a class.
typedef struct {
    // sizeof(offshoot_class_info).
    uint32_t size;
    // Number of its samples that are kept.
    uint32_t samples;
    // Number of samples that it has ever seen, kept or evicted.
    uint32_t shown;
    // Name in UTF-8, with a NUL at its end.
    char name[OFFSHOOT_NAME_BYTES];
} offshoot_class_info;

// Result of a fit.
typedef struct {
    // sizeof(offshoot_fit).
    uint32_t size;
    // Number of iterations of the solver; 0 for a closed form.
    uint32_t iterations;
    // 1 if the solver reached the optimum.
    uint32_t converged;
    // Norm of the remaining gradient.
    float gradient_norm;
} offshoot_fit;

// Kind of head with the settings of its fit.
typedef struct {
    // sizeof(offshoot_recipe).
    uint32_t size;
    // Number of enum offshoot_head_kind.
    uint32_t kind;
    // Number of enum offshoot_transform.
    uint32_t transform;
    // Inverse L2 regularization.
    float inverse_l2;
} offshoot_recipe;

// Answer of a head.
typedef struct {
    // sizeof(offshoot_answer).
    uint32_t size;
    // 1 if it is one of the classes; 0 if it is unlike all training samples.
    uint32_t known;
    // Number of the most probable class, or of the nearest one if it is unknown.
    uint32_t class_id;
    // Probability that it is known and of this class; 0 if it is unknown.
    float confidence;
    // Difference to the probability of the next class; 0 if it is unknown.
    float margin;
    // Cosine similarity with the mean of the nearest class if it is unknown; else 0.
    float similarity;
} offshoot_answer;

// Parts of a head's embeddings, and the choice between the last one and all.
typedef struct {
    // sizeof(offshoot_parts).
    uint32_t size;
    // Number of values of an embedding.
    uint32_t dim;
    // Number of values of its last part; dim if it is not divided.
    uint32_t last;
    // 1 if the answers depend on all values, 0 if on the last part alone.
    uint32_t reads_all;
    // 1 if the errors decided; 0 if there was no choice, or too few samples for one.
    uint32_t chosen;
    // Mean squared held-out error on the last part.
    float last_error;
    // Mean squared held-out error on all values.
    float all_error;
    // Statistic of the paired t-test of these errors; positive if all values are better.
    float t;
} offshoot_parts;

// Numbers of a linear head besides its weights and biases.
//
// The score of a class for the values x of an embedding from first on is gain * (its weights . x) + inverse_temperature * its
// bias. With r = |x| / mean_length, gain * |x| is inverse_temperature times r (raw), its square
// root (half), its fourth root (quarter) or 1 (unit). Probabilities are the softmax of the scores,
// times the probability that it is known: 1 / (1 + exp(-odds)), where the odds are known_slope *
// cosine + margin_slope * min(margin, most_margin) + known_offset, of the cosine of its last part
// with the nearest class mean and of the difference of the two greatest scores. It is unknown if
// the odds are below least_odds.
typedef struct {
    // sizeof(offshoot_linear).
    uint32_t size;
    // Number of enum offshoot_transform.
    uint32_t transform;
    // Mean L2 norm of the samples; 0 if none has a direction.
    float mean_length;
    // Factor of the scores from calibration.
    float inverse_temperature;
    // 1 if anything is rejected as unknown.
    uint32_t rejects;
    // Factor of the cosine with the nearest class mean in the log odds that it is known.
    float known_slope;
    // Offset of these log odds.
    float known_offset;
    // First value of an embedding that the head reads: above 0 if it reads the last part of
    // several.
    uint32_t first;
    // Factor of the margin between the two greatest scores in these log odds.
    float margin_slope;
    // Margin that greater ones count as.
    float most_margin;
    // Log odds below which an embedding is unknown.
    float least_odds;
} offshoot_linear;

// Results of the held-out samples.
typedef struct {
    // sizeof(offshoot_report).
    uint32_t size;
    // Number of samples that were evaluated; those alone in their class are not.
    uint32_t asked;
    // Number of samples that were classified correctly.
    uint32_t right;
    // Number of pieces of advice.
    uint32_t advice;
    // Share of correct answers; NaN if no sample could be evaluated.
    float accuracy;
    // Lower bound of its confidence interval of 95 %.
    float low;
    // Upper bound.
    float high;
    // Mean difference between confidence and accuracy; NaN if no sample could be evaluated.
    float calibration_error;
} offshoot_report;

// Results of the held-out samples of a class.
typedef struct {
    // sizeof(offshoot_class_report).
    uint32_t size;
    // Number of its samples that were evaluated.
    uint32_t asked;
    // Number of its samples that were classified correctly.
    uint32_t right;
} offshoot_class_report;

// Handle of a head that finds objects. It is a number, to be copied at will; 0 is none.
typedef struct {
    // Number that is never given out twice.
    uint64_t id;
} offshoot_spatial_head;

// Properties of a head that finds objects.
typedef struct {
    // sizeof(offshoot_spatial_head_info).
    uint32_t size;
    // Max number of classes.
    uint32_t max_classes;
    // Number of classes.
    uint32_t classes;
    // Number of lessons: frames that were taught.
    uint32_t lessons;
    // 1 if nothing was learned since the last fit.
    uint32_t is_fitted;
    // 1 if cells are compared with an empty scene.
    uint32_t has_reference;
    // Bytes of the encoded head.
    size_t encoded_bytes;
    // Digest of the package that makes its cells.
    uint8_t package_id[32];
} offshoot_spatial_head_info;

// Properties of a class of objects.
typedef struct {
    // sizeof(offshoot_spatial_class).
    uint32_t size;
    // Number of its objects that were taught.
    uint32_t objects;
    // Score from which it is reported.
    float threshold;
    // Mean width of its boxes as a share of the frame's; 0 if it has none.
    float width;
    // Mean height of its boxes as a share of the frame's; 0 if it has none.
    float height;
    // 1 if three lessons or more were tested before they were learned; else what follows is 0.
    uint32_t is_tested;
    // Number of its objects in the tested lessons.
    uint32_t tested;
    // Share of what was found that was right.
    float precision;
    // Share of the objects that were found.
    float recall;
    // Harmonic mean of both.
    float f1;
    // Name in UTF-8, with a NUL at its end.
    char name[OFFSHOOT_NAME_BYTES];
} offshoot_spatial_class;

// Object in a frame that is taught: a point or a box. Structs in arrays state no size.
typedef struct {
    // Number of its class.
    uint32_t class_id;
    // Left edge of a box, or place of a point, as a share of the frame's width.
    float left;
    // Upper edge of a box, or place of a point, as a share of the frame's height.
    float top;
    // Width as a share of the frame's; 0 of a point.
    float width;
    // Height as a share of the frame's; 0 of a point.
    float height;
} offshoot_mark;

// Object that was found. Structs in arrays state no size.
typedef struct {
    // Number of its class.
    uint32_t class_id;
    // Score, about 1 in the middle of an object.
    float score;
    // Middle of the object as a share of the frame's width.
    float x;
    // Middle of the object as a share of the frame's height.
    float y;
    // Width as a share of the frame's; 0 if it is not known.
    float width;
    // Height as a share of the frame's; 0 if it is not known.
    float height;
} offshoot_detection;

// Handle of a head that knows good frames. It is a number, to be copied at will; 0 is none.
typedef struct {
    // Number that is never given out twice.
    uint64_t id;
} offshoot_good_head;

// Properties of a head that knows good frames.
typedef struct {
    // sizeof(offshoot_good_head_info).
    uint32_t size;
    // 1 if each place has a mean of its own.
    uint32_t is_fixed;
    // 1 if nothing was learned since the last fit.
    uint32_t is_fitted;
    // Number of good frames that were learned.
    uint32_t lessons;
    // Score from which a frame is unusual; NaN before three good frames were tested.
    float threshold;
    // Number of rows of the heat.
    uint32_t rows;
    // Number of columns of the heat.
    uint32_t columns;
    // Bytes of the encoded head.
    size_t encoded_bytes;
    // Digest of the package that makes its cells.
    uint8_t package_id[32];
} offshoot_good_head_info;

// Answer to a frame: its most unusual cell.
typedef struct {
    // sizeof(offshoot_unusual).
    uint32_t size;
    // 1 if the score is above the threshold.
    uint32_t is_unusual;
    // Score of the cell, and of the frame; 1 is usual.
    float score;
    // Score from which a frame is unusual; NaN before three good frames were tested.
    float threshold;
    // Row of the cell.
    uint32_t row;
    // Column of the cell.
    uint32_t column;
    // Middle of the cell as a share of the frame's width.
    float x;
    // Middle of the cell as a share of the frame's height.
    float y;
} offshoot_unusual;

// Recipe of tuning. All but `size` may be 0, which is the default.
typedef struct {
    // sizeof(offshoot_tuning_options).
    uint32_t size;
    // Passes over the samples; 0 is 20, and 40 with ten samples a class or fewer.
    uint32_t epochs;
    // Step of the biases, and of the weights, relative to their size, at most 1; 0 is 0.05.
    float step;
    // Number of parts into which the samples are divided, each held out once: 2 to 10; 0 is 3.
    uint32_t folds;
    // Seed of the order of the samples.
    uint32_t seed;
    // 1 keeps the result whatever the held-out samples say.
    uint32_t force;
    // 1 tunes all weights of the layer, with a step of 0.02; else its biases.
    uint32_t all;
} offshoot_tuning_options;

// Verdict of the samples that were held out.
typedef struct {
    // sizeof(offshoot_tuning_verdict).
    uint32_t size;
    // 1 if the tuned network is better, so that there is a tail.
    uint32_t is_kept;
    // Number of samples that each class needs, if one has too few; else 0.
    uint32_t least;
    // Number of samples that were held out.
    uint32_t samples;
    // Number of them that were classified wrongly before.
    uint32_t wrong_before;
    // The same after tuning.
    uint32_t wrong_after;
    // Mean squared error of their probabilities before, 0 to 2.
    float error_before;
    // The same after tuning.
    float error_after;
    // Mean difference divided by its standard error.
    float t;
} offshoot_tuning_verdict;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns a few words for a status, such as "not fitted"; "unknown status" for a number that is
// none.
const char *offshoot_status_name(int32_t status);

// Returns the version of the library, such as "0.1.0".
const char *offshoot_version(void);

// Returns the message of the last call of this thread that failed; empty if none did.
//
// Names the file or the argument, the cause, and what to do next; UTF-8, at most 1,023 bytes. It
// is valid until another call of this thread fails, or the thread ends. Never null.
const char *offshoot_last_error(void);

// Opens a package file, which is memory-mapped: replace it by rename only, never in place.
//
// `options` may be null. On failure `extractor` is left as it was.
offshoot_status offshoot_extractor_open(const char *path,
                                        const offshoot_options *options,
                                        offshoot_extractor *extractor);

// Opens a package in memory, which is copied. `options` may be null.
offshoot_status offshoot_extractor_open_bytes(const uint8_t *bytes,
                                              size_t length,
                                              const offshoot_options *options,
                                              offshoot_extractor *extractor);

// Opens a package that is linked into the program, without copying it: the bytes must stay as they
// are for good, as those of a constant array do.
offshoot_status offshoot_extractor_open_static(const uint8_t *bytes,
                                               size_t length,
                                               offshoot_extractor *extractor);

// Closes an extractor. Heads that were made with it stay open.
offshoot_status offshoot_extractor_close(offshoot_extractor extractor);

// Tells the properties of an extractor: dimensions, package id, memory, threads.
offshoot_status offshoot_extractor_get_info(offshoot_extractor extractor,
                                            offshoot_extractor_info *info);

// Writes the name of the file that the package was made of, and a NUL, to `out`; `length` may be
// null, and is told without the NUL.
offshoot_status offshoot_extractor_source(offshoot_extractor extractor,
                                          char *out,
                                          size_t capacity,
                                          size_t *length);

// Runs the package's golden vectors. A vector that fails is no failure of the call: see `is_ok`.
offshoot_status offshoot_extractor_verify(offshoot_extractor extractor,
                                          offshoot_verification *verification);

// Computes the embedding of a frame of any size. Int8 packages allocate nothing.
offshoot_status offshoot_extractor_embed(offshoot_extractor extractor,
                                         const offshoot_frame *frame,
                                         offshoot_embedding *embedding);

// Computes the embedding of a JPEG, PNG, BMP or PNM file in memory, as cameras and messages bring
// them.
offshoot_status offshoot_extractor_embed_image(offshoot_extractor extractor,
                                               const uint8_t *bytes,
                                               size_t length,
                                               offshoot_embedding *embedding);

// Computes the embedding of a text, given as token ids with the tokenizer's special tokens.
offshoot_status offshoot_extractor_embed_tokens(offshoot_extractor extractor,
                                                const uint32_t *ids,
                                                size_t count,
                                                offshoot_embedding *embedding);

// Tells what a package that takes signals or sound wants; `channels` is 0 for other packages.
offshoot_status offshoot_extractor_get_sensor(offshoot_extractor extractor,
                                              offshoot_sensor_info *info);

// Computes the embedding of a signal of exactly one window. Int8 packages allocate nothing.
offshoot_status offshoot_extractor_embed_signal(offshoot_extractor extractor,
                                                const offshoot_signal *signal,
                                                offshoot_embedding *embedding);

// Computes the embedding of a recording, one window or longer: the mean over its windows, in
// floats. Int8 packages allocate nothing.
offshoot_status offshoot_extractor_embed_recording(offshoot_extractor extractor,
                                                   const offshoot_signal *signal,
                                                   offshoot_embedding *embedding);

// Computes the embedding of exactly one window of sound, mono, at the package's rate. Int8
// packages allocate nothing.
offshoot_status offshoot_extractor_embed_window(offshoot_extractor extractor,
                                                const int16_t *samples,
                                                size_t count,
                                                offshoot_embedding *embedding);

// Computes the embedding of a clip of sound of any length: the mean over its windows, those that
// stand out of the quiet if there are any, in floats. Int8 packages allocate nothing.
offshoot_status offshoot_extractor_embed_samples(offshoot_extractor extractor,
                                                 const int16_t *samples,
                                                 size_t count,
                                                 offshoot_embedding *embedding);

// Tells the layout of a package's cells; `rows` is 0 if it gives embeddings.
//
// The cells of a frame are what offshoot_extractor_embed gives; heads of cells take them from
// there.
offshoot_status offshoot_extractor_get_cells(offshoot_extractor extractor,
                                             offshoot_cells_info *info);

// Makes an empty head for the extractor's embeddings. All memory that it will use is reserved
// here.
//
// `kind` is a number of enum offshoot_head_kind. At most 1,024 classes and 65,535 samples.
offshoot_status offshoot_head_new(offshoot_extractor extractor,
                                  uint32_t kind,
                                  uint32_t max_classes,
                                  uint32_t max_samples,
                                  offshoot_head *head);

// Tells the number of a kind of head by its name: "auto", "ncm", "softmax", "ridge", "slda",
// "knn".
offshoot_status offshoot_head_kind_named(const char *name, uint32_t *kind);

// Loads a head from a file; it was taught on this extractor's package.
offshoot_status offshoot_head_load(const char *path,
                                   offshoot_extractor extractor,
                                   offshoot_head *head);

// Loads a head from a file without its package: to look at it, to merge it.
offshoot_status offshoot_head_read(const char *path, offshoot_head *head);

// Makes a head of the bytes that offshoot_head_encode wrote; it was taught on this extractor's
// package.
offshoot_status offshoot_head_decode(const uint8_t *bytes,
                                     size_t length,
                                     offshoot_extractor extractor,
                                     offshoot_head *head);

// Saves a head: the file holds the old head or the new one, whenever the power fails.
offshoot_status offshoot_head_save(offshoot_head head, const char *path);

// Writes a head to `out`, to be kept or sent; `encoded_bytes` of its properties tells the room it
// takes.
//
// The same training data gives the same bytes. `length` may be null.
offshoot_status offshoot_head_encode(offshoot_head head,
                                     uint8_t *out,
                                     size_t capacity,
                                     size_t *length);

// Closes a head. What was not saved is lost.
offshoot_status offshoot_head_close(offshoot_head head);

// Tells the properties and settings of a head.
offshoot_status offshoot_head_get_info(offshoot_head head, offshoot_head_info *info);

// Sets the inverse L2 regularization, 0.001 to 1,000. Auto, class means and k-NN do not use it.
offshoot_status offshoot_head_set_inverse_l2(offshoot_head head, float inverse_l2);

// Sets the transform, a number of enum offshoot_transform. Auto chooses its own.
offshoot_status offshoot_head_set_transform(offshoot_head head, uint32_t transform);

// Sets the target false-rejection rate, 0 to 0.5: the share of known samples that may be called
// unknown; 0 turns unknown answers off.
offshoot_status offshoot_head_set_false_rejection_rate(offshoot_head head, float rate);

// Sets the eviction policy, a number of enum offshoot_when_full.
offshoot_status offshoot_head_set_when_full(offshoot_head head, uint32_t when_full);

// Adds a class. The first has the number 0; `class_id` may be null.
offshoot_status offshoot_head_add_class(offshoot_head head, const char *name, uint32_t *class_id);

// Tells the number of the class of that name.
offshoot_status offshoot_head_class_named(offshoot_head head, const char *name, uint32_t *class_id);

// Tells name and numbers of samples of a class.
offshoot_status offshoot_head_get_class(offshoot_head head,
                                        uint32_t class_id,
                                        offshoot_class_info *info);

// Renames a class.
offshoot_status offshoot_head_rename_class(offshoot_head head, uint32_t class_id, const char *name);

// Removes a class with its samples; the numbers of the classes behind it move down by one.
offshoot_status offshoot_head_remove_class(offshoot_head head, uint32_t class_id);

// Adds a sample to a class. A full head evicts by its policy. Allocates nothing.
offshoot_status offshoot_head_add_sample(offshoot_head head,
                                         uint32_t class_id,
                                         const offshoot_embedding *embedding);

// Takes back the newest sample; tells its class, which may be null.
offshoot_status offshoot_head_undo(offshoot_head head, uint32_t *class_id);

// Removes a sample by its number, 0 for the oldest; tells its class, which may be null.
offshoot_status offshoot_head_remove_sample(offshoot_head head, size_t sample, uint32_t *class_id);

// Tells the class of a kept sample and its embedding; either may be null. 0 is the oldest sample.
offshoot_status offshoot_head_get_sample(offshoot_head head,
                                         size_t sample,
                                         uint32_t *class_id,
                                         offshoot_embedding *embedding);

// Teaches a head all samples of another one; classes of the same name are the same.
offshoot_status offshoot_head_merge(offshoot_head head, offshoot_head other);

// Takes what was evicted out of the class means, which are of all samples ever seen until then.
offshoot_status offshoot_head_forget_left_out(offshoot_head head);

// Fits a head to its samples, unless nothing has changed since the last fit. Takes milliseconds;
// `fit` may be null.
offshoot_status offshoot_head_fit(offshoot_head head, offshoot_fit *fit);

// Tells the recipe that a head is fitted with; of auto the one that counts most.
offshoot_status offshoot_head_chosen(offshoot_head head, offshoot_recipe *recipe);

// Classifies an embedding: the class with its confidence, or unknown. Allocates nothing; several
// threads may ask one head at the same time.
offshoot_status offshoot_head_classify(offshoot_head head,
                                       const offshoot_embedding *embedding,
                                       offshoot_answer *answer);

// Writes the probability of every class to `out`, of at least as many floats as there are classes.
// The rest to 1 is the probability of something unknown. `answer` may be null.
offshoot_status offshoot_head_probabilities(offshoot_head head,
                                            const offshoot_embedding *embedding,
                                            float *out,
                                            size_t capacity,
                                            offshoot_answer *answer);

// Tells the cosine similarity of an embedding with the nearest class mean, and the threshold below
// which it is unknown, of several classes of many samples another one for each embedding: NaN if
// nothing is. Either may be null.
offshoot_status offshoot_head_similarity(offshoot_head head,
                                         const offshoot_embedding *embedding,
                                         float *similarity,
                                         float *threshold);

// Tells the parts of a fitted head's embeddings, and which of them it reads.
offshoot_status offshoot_head_parts(offshoot_head head, offshoot_parts *parts);

// Writes the contribution of each dimension of an embedding to the log odds of a class against
// another to `out`, of `dim` floats; tells that of the bias, which may be null. Their sum is the
// log odds.
offshoot_status offshoot_head_contributions(offshoot_head head,
                                            const offshoot_embedding *embedding,
                                            uint32_t class_id,
                                            uint32_t other_id,
                                            float *out,
                                            size_t capacity,
                                            float *bias);

// Writes the weights and biases of a linear head, to compute its answers elsewhere: `dim - first`
// weights for each class in turn, and a bias for each class, minus infinity for one without
// samples.
//
// Capacities are in floats.
offshoot_status offshoot_head_linear(offshoot_head head,
                                     offshoot_linear *linear,
                                     float *weights,
                                     size_t weights_capacity,
                                     float *bias,
                                     size_t bias_capacity);

// Tells the confidence from which a class may be said, so that samples of the class `background_id`
// are said to be of another one once in `windows`; NaN with too few of them. Allocates.
offshoot_status offshoot_head_wake_threshold(offshoot_head head,
                                             uint32_t background_id,
                                             float windows,
                                             float *threshold);

// Tells the share of a class's samples that are said to be of it with this confidence, each held
// out; NaN for fewer than two.
offshoot_status offshoot_head_recall(offshoot_head head,
                                     uint32_t class_id,
                                     float threshold,
                                     float *share);

// Tells how a fitted head answers its own samples, each held out in turn.
offshoot_status offshoot_head_report(offshoot_head head, offshoot_report *report);

// Tells the results of the held-out samples of a class.
offshoot_status offshoot_head_report_class(offshoot_head head,
                                           uint32_t class_id,
                                           offshoot_class_report *report);

// Tells the number of held-out samples of a class that were classified as another, or as itself.
offshoot_status offshoot_head_report_confusion(offshoot_head head,
                                               uint32_t class_id,
                                               uint32_t said_id,
                                               uint32_t *count);

// Tells the answer to a sample that is held out, and its probability; either may be null. `asked`
// becomes 0 for a sample that was not evaluated, and the others stay.
offshoot_status offshoot_head_report_sample(offshoot_head head,
                                            size_t sample,
                                            uint32_t *asked,
                                            uint32_t *said_id,
                                            float *probability);

// Writes a piece of advice, such as "`mug` has 2 samples", and a NUL to `out`; `length` may be
// null, and is told without the NUL.
offshoot_status offshoot_head_report_advice(offshoot_head head,
                                            size_t index,
                                            char *out,
                                            size_t capacity,
                                            size_t *length);

// Writes the class activation map of the last frame for a class: the contribution of each part of
// the frame to the decision, row by row.
//
// `width` and `height` are told even if `capacity`, in floats, is too small; they may be null.
// OFFSHOOT_STATUS_NO_MAP if the embedding is not the mean of an int8 feature map.
offshoot_status offshoot_extractor_activations(offshoot_extractor extractor,
                                               offshoot_head head,
                                               uint32_t class_id,
                                               float *out,
                                               size_t capacity,
                                               size_t *width,
                                               size_t *height);

// Makes an empty head for the extractor's cells, with room for 1 to 16 classes. All memory that it
// will use is reserved here.
//
// OFFSHOOT_STATUS_NO_CELLS for a package that was converted without `--cells`.
offshoot_status offshoot_spatial_head_new(offshoot_extractor extractor,
                                          uint32_t max_classes,
                                          offshoot_spatial_head *head);

// Loads a head from a file; it was taught on this extractor's package. It is fitted, if it has
// learned anything.
offshoot_status offshoot_spatial_head_load(const char *path,
                                           offshoot_extractor extractor,
                                           offshoot_spatial_head *head);

// Makes a head of the bytes that offshoot_spatial_head_encode wrote; it was taught on this
// extractor's package.
offshoot_status offshoot_spatial_head_decode(const uint8_t *bytes,
                                             size_t length,
                                             offshoot_extractor extractor,
                                             offshoot_spatial_head *head);

// Saves a head: the file holds the old head or the new one, whenever the power fails.
offshoot_status offshoot_spatial_head_save(offshoot_spatial_head head, const char *path);

// Writes a head to `out`, to be kept or sent; `encoded_bytes` of its properties tells the room it
// takes. `length` may be null. Allocates.
offshoot_status offshoot_spatial_head_encode(offshoot_spatial_head head,
                                             uint8_t *out,
                                             size_t capacity,
                                             size_t *length);

// Closes a head. What was not saved is lost.
offshoot_status offshoot_spatial_head_close(offshoot_spatial_head head);

// Tells the properties of a head.
offshoot_status offshoot_spatial_head_get_info(offshoot_spatial_head head,
                                               offshoot_spatial_head_info *info);

// Adds a class. The first has the number 0; `class_id` may be null.
offshoot_status offshoot_spatial_head_add_class(offshoot_spatial_head head,
                                                const char *name,
                                                uint32_t *class_id);

// Renames a class; what was learned stays.
offshoot_status offshoot_spatial_head_rename_class(offshoot_spatial_head head,
                                                   uint32_t class_id,
                                                   const char *name);

// Tells the number of the class of that name.
offshoot_status offshoot_spatial_head_class_named(offshoot_spatial_head head,
                                                  const char *name,
                                                  uint32_t *class_id);

// Tells the properties of a class: name, objects, threshold, and what its tests let expect.
offshoot_status offshoot_spatial_head_get_class(offshoot_spatial_head head,
                                                uint32_t class_id,
                                                offshoot_spatial_class *info);

// Learns a frame with all objects in it; without marks, that there are none. If the head is
// fitted, the frame is first asked of it: the thresholds come from these tests.
//
// `cells` is what offshoot_extractor_embed gave; `marks` may be null if `count` is 0, which is at
// most 128. Allocates nothing.
offshoot_status offshoot_spatial_head_teach(offshoot_spatial_head head,
                                            const offshoot_embedding *cells,
                                            const offshoot_mark *marks,
                                            size_t count);

// Asks the head about a frame whose objects are known, without learning it; the thresholds count
// it.
offshoot_status offshoot_spatial_head_test(offshoot_spatial_head head,
                                           const offshoot_embedding *cells,
                                           const offshoot_mark *marks,
                                           size_t count);

// Sets the empty scene of a fixed camera before the first lesson: cells are their distance from it
// then. It may be replaced by another one.
offshoot_status offshoot_spatial_head_set_reference(offshoot_spatial_head head,
                                                    const offshoot_embedding *cells);

// Tells the share of cells that differ from the empty scene, more than a half if the camera has
// moved; NaN without an empty scene.
offshoot_status offshoot_spatial_head_changed(offshoot_spatial_head head,
                                              const offshoot_embedding *cells,
                                              float *share);

// Takes the last lesson back. OFFSHOOT_STATUS_NO_SUCH_SAMPLE if there is none that can be: after
// another undo, a merge, a class that was forgotten, or a load.
offshoot_status offshoot_spatial_head_undo(offshoot_spatial_head head);

// Computes the weights from what was learned. Allocates nothing.
offshoot_status offshoot_spatial_head_fit(offshoot_spatial_head head);

// Finds the objects of a frame, at most 64, those with the highest scores first.
//
// Writes as many as `capacity` says to `out`; `count` tells how many there are, and may be null.
// Allocates nothing.
offshoot_status offshoot_spatial_head_find(offshoot_spatial_head head,
                                           const offshoot_embedding *cells,
                                           offshoot_detection *out,
                                           size_t capacity,
                                           size_t *count);

// Adds what another head has learned and tested; classes of the same name are the same.
offshoot_status offshoot_spatial_head_merge(offshoot_spatial_head head,
                                            offshoot_spatial_head other);

// Forgets a class: it is no longer found, and its cells go on to count as none of the others. The
// numbers of the classes behind it move down by one.
offshoot_status offshoot_spatial_head_forget(offshoot_spatial_head head, uint32_t class_id);

// Makes an empty head for the extractor's cells. `is_fixed` is 1 if parts always lie alike before
// the camera, so that each place has a mean of its own; else 0. All memory is reserved here.
//
// OFFSHOOT_STATUS_NO_CELLS for a package that was converted without `--cells`.
offshoot_status offshoot_good_head_new(offshoot_extractor extractor,
                                       uint32_t is_fixed,
                                       offshoot_good_head *head);

// Loads a head from a file; it was taught on this extractor's package. It is fitted, if it has
// learned enough.
offshoot_status offshoot_good_head_load(const char *path,
                                        offshoot_extractor extractor,
                                        offshoot_good_head *head);

// Makes a head of the bytes that offshoot_good_head_encode wrote; it was taught on this
// extractor's package.
offshoot_status offshoot_good_head_decode(const uint8_t *bytes,
                                          size_t length,
                                          offshoot_extractor extractor,
                                          offshoot_good_head *head);

// Saves a head: the file holds the old head or the new one, whenever the power fails.
offshoot_status offshoot_good_head_save(offshoot_good_head head, const char *path);

// Writes a head to `out`, to be kept or sent; `encoded_bytes` of its properties tells the room it
// takes. `length` may be null. Allocates.
offshoot_status offshoot_good_head_encode(offshoot_good_head head,
                                          uint8_t *out,
                                          size_t capacity,
                                          size_t *length);

// Closes a head. What was not saved is lost.
offshoot_status offshoot_good_head_close(offshoot_good_head head);

// Tells the properties of a head.
offshoot_status offshoot_good_head_get_info(offshoot_good_head head, offshoot_good_head_info *info);

// Learns a good frame. If the head is fitted, the frame is first asked of it: the threshold comes
// from these tests. `cells` is what offshoot_extractor_embed gave. Allocates nothing.
offshoot_status offshoot_good_head_teach(offshoot_good_head head, const offshoot_embedding *cells);

// Asks the head about a good frame without learning it; the threshold counts it.
offshoot_status offshoot_good_head_test(offshoot_good_head head, const offshoot_embedding *cells);

// Takes the last lesson back. OFFSHOOT_STATUS_NO_SUCH_SAMPLE if there is none that can be.
offshoot_status offshoot_good_head_undo(offshoot_good_head head);

// Computes means and covariance from what was learned, two frames at least. Allocates nothing.
offshoot_status offshoot_good_head_fit(offshoot_good_head head);

// Measures how unusual a frame is, and where.
//
// Writes the score of each cell to `heat`, row by row, rows times columns of the head's
// properties; null with a `capacity` of 0 if it is not wanted. Allocates nothing.
offshoot_status offshoot_good_head_look(offshoot_good_head head,
                                        const offshoot_embedding *cells,
                                        offshoot_unusual *unusual,
                                        float *heat,
                                        size_t capacity);

// Runs the network with a tuned tail from now on, the bytes of a file of `offshoot finetune`; with
// null and 0, as it is in the package again.
//
// The id of the extractor is then the tail's: heads that were taught without it are refused.
offshoot_status offshoot_extractor_set_tail(offshoot_extractor extractor,
                                            const uint8_t *bytes,
                                            size_t length);

// Keeps the map of each frame from now on, the input of the layer that is tuned, for
// offshoot_extractor_map; until a tail is taken off. Embeddings stay the same bits.
//
// OFFSHOOT_STATUS_UNTUNABLE for a network without such a layer.
offshoot_status offshoot_extractor_keep_maps(offshoot_extractor extractor);

// Writes the map of the last frame to `out`; `length` may be null, and is told even if `capacity` is
// too small. Maps must be kept, or a tail set.
offshoot_status offshoot_extractor_map(offshoot_extractor extractor,
                                       int8_t *out,
                                       size_t capacity,
                                       size_t *length);

// Computes the embedding of a map that was kept, on the network as it is now.
offshoot_status offshoot_extractor_embed_map(offshoot_extractor extractor,
                                             const int8_t *map,
                                             size_t length,
                                             offshoot_embedding *embedding);

// Tunes the last layer on maps of samples, one after the other, of classes numbered from 0; the
// extractor stays as it is. `options` may be null.
//
// Writes the tail to `out`, if the verdict keeps one: `length`, which may be null, is told then, and
// is 0 else. `capacity` must be enough in either case; OFFSHOOT_STATUS_BUFFER_TOO_SMALL tells what
// is. Takes seconds, in which other calls on the extractor wait. Allocates.
offshoot_status offshoot_extractor_finetune(offshoot_extractor extractor,
                                            const int8_t *maps,
                                            const uint16_t *class_ids,
                                            size_t samples,
                                            const offshoot_tuning_options *options,
                                            offshoot_tuning_verdict *verdict,
                                            uint8_t *out,
                                            size_t capacity,
                                            size_t *length);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
