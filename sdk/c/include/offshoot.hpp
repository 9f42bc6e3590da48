// Offshoot for C++17: types that own what they open, and exceptions that carry code and message.
// Manual: sdk/c/README.md. All of it is inline over offshoot.h.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "offshoot.h"

namespace offshoot {

/// Failure of a call: its status, and the library's message as what().
class Error : public std::runtime_error {
public:
    Error(int32_t status, const char *message) : std::runtime_error(message), status_(status) {}

    /// Number of enum offshoot_status, such as OFFSHOOT_STATUS_NOT_FITTED.
    int32_t status() const noexcept { return status_; }

private:
    int32_t status_;
};

/// Throws an Error for any status but OFFSHOOT_STATUS_OK.
inline void check(int32_t status) {
    if (status != OFFSHOOT_STATUS_OK) {
        throw Error(status, offshoot_last_error());
    }
}

/// Struct of the library with its size set, and all else 0.
template <typename Struct>
Struct sized() noexcept {
    Struct value{};
    value.size = sizeof(Struct);
    return value;
}

/// Values in somebody's memory, as std::span of C++20 has them.
template <typename T>
class Span {
public:
    constexpr Span() noexcept = default;
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

    /// Values of a container such as std::vector, std::array or std::string.
    template <typename Container,
              typename = decltype(static_cast<T *>(std::declval<Container &>().data()))>
    constexpr Span(Container &&container) noexcept
        : data_(container.data()), size_(container.size()) {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t index) const { return data_[index]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

using PackageId = std::array<std::uint8_t, 32>;

/// Image in the caller's memory; the pixels must stay until it is used.
class Frame {
public:
    /// A stride of 0 bytes means rows without gaps.
    Frame(offshoot_pixel_format format, std::uint32_t width, std::uint32_t height,
          Span<const std::uint8_t> pixels, std::size_t stride = 0) noexcept
        : frame_(sized<offshoot_frame>()) {
        frame_.format = format;
        frame_.width = width;
        frame_.height = height;
        frame_.stride = stride;
        frame_.pixels = pixels.data();
        frame_.bytes = pixels.size();
    }

    const offshoot_frame *get() const noexcept { return &frame_; }

private:
    offshoot_frame frame_;
};

/// Samples of a sensor in the caller's memory, the channels of a place together; they must stay
/// until they are used.
class Signal {
public:
    /// Samples as converters give them.
    Signal(std::uint32_t channels, Span<const std::int16_t> samples) noexcept
        : Signal(OFFSHOOT_SAMPLE_FORM_INT16, channels, samples.data(), samples.size()) {}

    /// Samples in the unit of the network's training data.
    Signal(std::uint32_t channels, Span<const float> samples) noexcept
        : Signal(OFFSHOOT_SAMPLE_FORM_FLOAT, channels, samples.data(), samples.size()) {}

    const offshoot_signal *get() const noexcept { return &signal_; }

private:
    Signal(offshoot_sample_form form, std::uint32_t channels, const void *samples,
           std::size_t count) noexcept
        : signal_(sized<offshoot_signal>()) {
        signal_.form = form;
        signal_.channels = channels;
        signal_.samples = samples;
        signal_.count = count;
    }

    offshoot_signal signal_;
};

/// Embedding in memory of its own, which is taken once for a package.
class Embedding {
public:
    /// Memory of that many bytes, for Extractor::embed to write to.
    explicit Embedding(std::size_t bytes)
        : memory_((bytes + sizeof(float) - 1) / sizeof(float)),
          fields_(sized<offshoot_embedding>()) {}

    /// Embedding of these values, such as the mean of several.
    explicit Embedding(std::vector<float> values)
        : memory_(std::move(values)), fields_(sized<offshoot_embedding>()) {
        fields_.form = OFFSHOOT_EMBEDDING_FORM_FLOAT;
        fields_.dim = memory_.size();
    }

    /// Number of dimensions; 0 until it is written.
    std::size_t dim() const noexcept { return fields_.dim; }

    /// Real value of a dimension; throws std::out_of_range.
    float at(std::size_t index) const {
        if (index >= fields_.dim) {
            throw std::out_of_range("an embedding has fewer dimensions");
        }
        if (fields_.form == OFFSHOOT_EMBEDDING_FORM_FLOAT) {
            return memory_[index];
        }
        // Any memory may be read as bytes, but not as int8_t.
        const auto *bytes = reinterpret_cast<const unsigned char *>(memory_.data());
        const auto code = static_cast<std::int8_t>(bytes[index]);
        return fields_.scale * static_cast<float>(code - fields_.zero_point);
    }

    /// Real values.
    std::vector<float> values() const {
        std::vector<float> out(fields_.dim);
        for (std::size_t i = 0; i < out.size(); ++i) {
            out[i] = at(i);
        }
        return out;
    }

    /// Struct for the functions of offshoot.h. It points into this object.
    offshoot_embedding *get() noexcept {
        fields_.values = memory_.data();
        fields_.bytes = memory_.size() * sizeof(float);
        return &fields_;
    }

    /// Copy of the struct, for functions that read it.
    offshoot_embedding view() const noexcept {
        offshoot_embedding view = fields_;
        // Only functions that take it as const read through this pointer.
        view.values = const_cast<float *>(memory_.data());
        view.bytes = memory_.size() * sizeof(float);
        return view;
    }

private:
    std::vector<float> memory_;
    offshoot_embedding fields_;
};

namespace detail {

/// Handle that closes what it stands for.
template <typename Handle, offshoot_status (*close)(Handle)>
class Owner {
public:
    explicit Owner(Handle handle) noexcept : handle_(handle) {}
    Owner(Owner &&other) noexcept : handle_(std::exchange(other.handle_, Handle{})) {}
    Owner &operator=(Owner &&other) noexcept {
        if (this != &other) {
            reset();
            handle_ = std::exchange(other.handle_, Handle{});
        }
        return *this;
    }
    Owner(const Owner &) = delete;
    Owner &operator=(const Owner &) = delete;
    ~Owner() { reset(); }

    /// Handle for the functions of offshoot.h; 0 after a move.
    Handle handle() const noexcept { return handle_; }

private:
    void reset() noexcept {
        if (handle_.id != 0) {
            // It is open, so that closing it cannot fail.
            static_cast<void>(close(std::exchange(handle_, Handle{})));
        }
    }

    Handle handle_;
};

/// Handle that a call of offshoot.h tells.
template <typename Handle, typename Call>
Handle made(Call call) {
    Handle handle{};
    check(call(&handle));
    return handle;
}

/// Bytes that a call of offshoot.h writes, as many as `bytes` says.
template <typename Call>
std::vector<std::uint8_t> encoded(std::size_t bytes, Call call) {
    std::vector<std::uint8_t> out(bytes);
    std::size_t length = 0;
    check(call(out.data(), out.size(), &length));
    out.resize(length);
    return out;
}

/// True; false if there was nothing to take back.
inline bool undone(offshoot_status status) {
    if (status == OFFSHOOT_STATUS_NO_SUCH_SAMPLE) {
        return false;
    }
    check(status);
    return true;
}

/// Text with a NUL; one that has a NUL inside is refused, not cut.
inline std::string text(std::string_view name) {
    if (name.find('\0') != std::string_view::npos) {
        throw Error(OFFSHOOT_STATUS_CLASS_NAME, "a name has a NUL; use letters");
    }
    return std::string(name);
}

/// Number of the class of a name, which a call of offshoot.h tells; none if there is no such class.
template <typename Call>
std::optional<std::uint32_t> class_named(Call call) {
    std::uint32_t class_id = 0;
    const auto status = call(&class_id);
    if (status == OFFSHOOT_STATUS_NO_SUCH_CLASS) {
        return std::nullopt;
    }
    check(status);
    return class_id;
}

}  // namespace detail

class Head;

/// Open package: from a frame, or the tokens of a text, to its embedding.
class Extractor : public detail::Owner<offshoot_extractor, offshoot_extractor_close> {
public:
    /// Default settings.
    static offshoot_options options() noexcept { return sized<offshoot_options>(); }

    /// Opens a package file, which is memory-mapped: replace it by rename only.
    static Extractor open(const std::string &path,
                          const offshoot_options &options = Extractor::options()) {
        offshoot_extractor handle{};
        check(offshoot_extractor_open(path.c_str(), &options, &handle));
        return Extractor(handle);
    }

    /// Opens a package in memory, which is copied.
    static Extractor open_bytes(Span<const std::uint8_t> bytes,
                                const offshoot_options &options = Extractor::options()) {
        offshoot_extractor handle{};
        check(offshoot_extractor_open_bytes(bytes.data(), bytes.size(), &options, &handle));
        return Extractor(handle);
    }

    /// Opens a package that is linked into the program: the bytes must stay for good.
    static Extractor open_static(Span<const std::uint8_t> bytes) {
        offshoot_extractor handle{};
        check(offshoot_extractor_open_static(bytes.data(), bytes.size(), &handle));
        return Extractor(handle);
    }

    offshoot_extractor_info info() const {
        auto info = sized<offshoot_extractor_info>();
        check(offshoot_extractor_get_info(handle(), &info));
        return info;
    }

    /// Number of dimensions of an embedding.
    std::size_t dim() const noexcept { return dim_; }

    /// Digest that binds heads to this package.
    PackageId package_id() const {
        PackageId id{};
        const auto found = info();
        std::copy(std::begin(found.package_id), std::end(found.package_id), id.begin());
        return id;
    }

    /// Name of the file that the package was made of.
    std::string source() const {
        char out[512];
        std::size_t length = 0;
        check(offshoot_extractor_source(handle(), out, sizeof out, &length));
        return std::string(out, length);
    }

    /// Runs the golden vectors; see `is_ok`.
    offshoot_verification verify() {
        auto verification = sized<offshoot_verification>();
        check(offshoot_extractor_verify(handle(), &verification));
        return verification;
    }

    /// Memory that an embedding of this package fits.
    Embedding embedding() const { return Embedding(bytes_); }

    /// Computes the embedding of a frame into memory that is there: int8 packages allocate nothing.
    void embed(const Frame &frame, Embedding &out) {
        check(offshoot_extractor_embed(handle(), frame.get(), out.get()));
    }

    /// Computes the embedding of a frame.
    Embedding embed(const Frame &frame) {
        Embedding out = embedding();
        embed(frame, out);
        return out;
    }

    /// Computes the embedding of a JPEG, PNG, BMP or PNM file in memory.
    Embedding embed_image(Span<const std::uint8_t> file) {
        Embedding out = embedding();
        check(offshoot_extractor_embed_image(handle(), file.data(), file.size(), out.get()));
        return out;
    }

    /// Computes the embedding of a text, given as token ids.
    Embedding embed_tokens(Span<const std::uint32_t> ids) {
        Embedding out = embedding();
        check(offshoot_extractor_embed_tokens(handle(), ids.data(), ids.size(), out.get()));
        return out;
    }

    /// Channels, places and rate of a package that takes signals or sound; no channels if it takes
    /// neither.
    offshoot_sensor_info sensor() const {
        auto info = sized<offshoot_sensor_info>();
        check(offshoot_extractor_get_sensor(handle(), &info));
        return info;
    }

    /// Computes the embedding of a window into memory that is there: int8 packages allocate
    /// nothing.
    void embed_signal(const Signal &signal, Embedding &out) {
        check(offshoot_extractor_embed_signal(handle(), signal.get(), out.get()));
    }

    /// Computes the embedding of a signal of exactly one window.
    Embedding embed_signal(const Signal &signal) {
        Embedding out = embedding();
        embed_signal(signal, out);
        return out;
    }

    /// Computes the embedding of a recording of one window or longer: the mean over its windows.
    Embedding embed_recording(const Signal &signal) {
        Embedding out(dim_ * sizeof(float));
        check(offshoot_extractor_embed_recording(handle(), signal.get(), out.get()));
        return out;
    }

    /// Computes the embedding of exactly one window of sound, mono, at the package's rate.
    Embedding embed_window(Span<const std::int16_t> samples) {
        Embedding out = embedding();
        check(offshoot_extractor_embed_window(handle(), samples.data(), samples.size(), out.get()));
        return out;
    }

    /// Computes the embedding of a clip of sound of any length, mono, at the package's rate.
    Embedding embed_samples(Span<const std::int16_t> samples) {
        Embedding out(dim_ * sizeof(float));
        check(
            offshoot_extractor_embed_samples(handle(), samples.data(), samples.size(), out.get()));
        return out;
    }

    /// Layout of the cells that `embed` gives; no rows if it gives embeddings.
    offshoot_cells_info cells() const {
        auto info = sized<offshoot_cells_info>();
        check(offshoot_extractor_get_cells(handle(), &info));
        return info;
    }

    /// Runs the network with a tuned tail from now on; with none, as it is in the package.
    void set_tail(Span<const std::uint8_t> file) {
        check(offshoot_extractor_set_tail(handle(), file.data(), file.size()));
    }

    /// Runs the network as it is in the package again.
    void drop_tail() { check(offshoot_extractor_set_tail(handle(), nullptr, 0)); }

    /// Keeps the map of each frame from now on, for `map`.
    void keep_maps() { check(offshoot_extractor_keep_maps(handle())); }

    /// Map of the last frame, which tuning takes.
    std::vector<std::int8_t> map() const {
        std::size_t length = 0;
        const auto status = offshoot_extractor_map(handle(), nullptr, 0, &length);
        if (status != OFFSHOOT_STATUS_BUFFER_TOO_SMALL) {
            check(status);
        }
        std::vector<std::int8_t> out(length);
        check(offshoot_extractor_map(handle(), out.data(), out.size(), &length));
        return out;
    }

    /// Computes the embedding of a map.
    Embedding embed_map(Span<const std::int8_t> map) {
        Embedding out = embedding();
        check(offshoot_extractor_embed_map(handle(), map.data(), map.size(), out.get()));
        return out;
    }

    /// Verdict of tuning, and the tail if it is kept.
    struct Tuned {
        offshoot_tuning_verdict verdict = sized<offshoot_tuning_verdict>();
        std::vector<std::uint8_t> tail;
    };

    /// Tunes the last layer on maps of samples, one after the other, of classes from 0.
    Tuned finetune(Span<const std::int8_t> maps, Span<const std::uint16_t> class_ids,
                   offshoot_tuning_options options = sized<offshoot_tuning_options>()) {
        Tuned tuned;
        std::size_t length = 0;
        auto run = [&] {
            return offshoot_extractor_finetune(handle(), maps.data(), class_ids.data(),
                                               class_ids.size(), &options, &tuned.verdict,
                                               tuned.tail.data(), tuned.tail.size(), &length);
        };
        auto status = run();
        if (status == OFFSHOOT_STATUS_BUFFER_TOO_SMALL) {
            tuned.tail.resize(length);
            status = run();
        }
        check(status);
        tuned.tail.resize(length);
        return tuned;
    }

    /// Class activation map of the last frame, row by row.
    struct Map {
        std::size_t width = 0;
        std::size_t height = 0;
        std::vector<float> values;
    };

    /// Map of the last frame for a class; none if the network has no such map.
    inline std::optional<Map> activations(const Head &head, std::uint32_t class_id) const;

private:
    explicit Extractor(offshoot_extractor handle) : Owner(handle) {
        const auto found = info();
        dim_ = found.dim;
        bytes_ = found.embedding_bytes;
    }

    std::size_t dim_ = 0;
    std::size_t bytes_ = 0;
};

/// Answer of a head.
struct Answer {
    /// The class; none if it is unlike all training samples.
    std::optional<std::uint32_t> known;
    /// The class, or the nearest one.
    std::uint32_t class_id = 0;
    /// Probability that it is known and of this class.
    float confidence = 0;
    /// Difference to the probability of the next class.
    float margin = 0;
    /// Cosine similarity with the nearest class mean, if it is unknown.
    float similarity = 0;

    explicit Answer(const offshoot_answer &answer)
        : class_id(answer.class_id),
          confidence(answer.confidence),
          margin(answer.margin),
          similarity(answer.similarity) {
        if (answer.known != 0) {
            known = answer.class_id;
        }
    }
};

/// Classifier that is taught on the board.
class Head : public detail::Owner<offshoot_head, offshoot_head_close> {
public:
    /// Empty head with room for so many classes and samples. All memory is reserved here.
    Head(const Extractor &extractor, offshoot_head_kind kind, std::uint32_t max_classes,
         std::uint32_t max_samples)
        : Owner(detail::made<offshoot_head>([&](offshoot_head *head) {
              return offshoot_head_new(extractor.handle(), kind, max_classes, max_samples, head);
          })) {}

    /// Loads a head that was taught on this extractor's package.
    static Head load(const std::string &path, const Extractor &extractor) {
        return Head(detail::made<offshoot_head>([&](offshoot_head *head) {
            return offshoot_head_load(path.c_str(), extractor.handle(), head);
        }));
    }

    /// Loads a head without its package: to look at it, to merge it.
    static Head read(const std::string &path) {
        return Head(detail::made<offshoot_head>(
            [&](offshoot_head *head) { return offshoot_head_read(path.c_str(), head); }));
    }

    /// Makes the head that encode() wrote.
    static Head decode(Span<const std::uint8_t> bytes, const Extractor &extractor) {
        return Head(detail::made<offshoot_head>([&](offshoot_head *head) {
            return offshoot_head_decode(bytes.data(), bytes.size(), extractor.handle(), head);
        }));
    }

    /// Saves the head: the file holds the old head or the new one, whenever the power fails.
    void save(const std::string &path) const { check(offshoot_head_save(handle(), path.c_str())); }

    std::vector<std::uint8_t> encode() const {
        return detail::encoded(info().encoded_bytes,
                               [&](auto... out) { return offshoot_head_encode(handle(), out...); });
    }

    offshoot_head_info info() const {
        auto info = sized<offshoot_head_info>();
        check(offshoot_head_get_info(handle(), &info));
        return info;
    }

    void set_inverse_l2(float value) { check(offshoot_head_set_inverse_l2(handle(), value)); }
    void set_transform(offshoot_transform value) {
        check(offshoot_head_set_transform(handle(), value));
    }
    void set_false_rejection_rate(float rate) {
        check(offshoot_head_set_false_rejection_rate(handle(), rate));
    }
    void set_when_full(offshoot_when_full policy) {
        check(offshoot_head_set_when_full(handle(), policy));
    }

    std::size_t class_count() const { return info().classes; }
    std::size_t sample_count() const { return info().samples; }

    /// Adds a class; returns its number.
    std::uint32_t add_class(std::string_view name) {
        std::uint32_t class_id = 0;
        check(offshoot_head_add_class(handle(), detail::text(name).c_str(), &class_id));
        return class_id;
    }

    /// Number of the class of that name.
    std::optional<std::uint32_t> class_named(std::string_view name) const {
        return detail::class_named([&](std::uint32_t *class_id) {
            return offshoot_head_class_named(handle(), detail::text(name).c_str(), class_id);
        });
    }

    offshoot_class_info class_info(std::uint32_t class_id) const {
        auto info = sized<offshoot_class_info>();
        check(offshoot_head_get_class(handle(), class_id, &info));
        return info;
    }

    std::string class_name(std::uint32_t class_id) const { return class_info(class_id).name; }

    void rename_class(std::uint32_t class_id, std::string_view name) {
        check(offshoot_head_rename_class(handle(), class_id, detail::text(name).c_str()));
    }

    /// Removes a class with its samples; the numbers of those behind it move down by one.
    void remove_class(std::uint32_t class_id) {
        check(offshoot_head_remove_class(handle(), class_id));
    }

    void add_sample(std::uint32_t class_id, const Embedding &embedding) {
        const auto view = embedding.view();
        check(offshoot_head_add_sample(handle(), class_id, &view));
    }

    /// Takes back the newest sample; returns its class, or nothing without samples.
    std::optional<std::uint32_t> undo() {
        std::uint32_t class_id = 0;
        const auto status = offshoot_head_undo(handle(), &class_id);
        if (status == OFFSHOOT_STATUS_NO_SUCH_SAMPLE) {
            return std::nullopt;
        }
        check(status);
        return class_id;
    }

    /// Removes a sample, 0 for the oldest; returns its class.
    std::uint32_t remove_sample(std::size_t sample) {
        std::uint32_t class_id = 0;
        check(offshoot_head_remove_sample(handle(), sample, &class_id));
        return class_id;
    }

    /// Class and embedding of a kept sample.
    std::pair<std::uint32_t, Embedding> sample(std::size_t sample) const {
        // Kept samples are int8; floats would fit as well.
        Embedding out(info().dim * sizeof(float));
        std::uint32_t class_id = 0;
        check(offshoot_head_get_sample(handle(), sample, &class_id, out.get()));
        return {class_id, std::move(out)};
    }

    /// Teaches this head all samples of another one.
    void merge(const Head &other) { check(offshoot_head_merge(handle(), other.handle())); }

    void forget_left_out() { check(offshoot_head_forget_left_out(handle())); }

    /// Fits the head to its samples, unless nothing has changed since the last fit.
    offshoot_fit fit() {
        auto fit = sized<offshoot_fit>();
        check(offshoot_head_fit(handle(), &fit));
        return fit;
    }

    offshoot_recipe chosen() const {
        auto recipe = sized<offshoot_recipe>();
        check(offshoot_head_chosen(handle(), &recipe));
        return recipe;
    }

    Answer classify(const Embedding &embedding) const {
        const auto view = embedding.view();
        auto answer = sized<offshoot_answer>();
        check(offshoot_head_classify(handle(), &view, &answer));
        return Answer(answer);
    }

    /// Writes the probability of every class to `out`.
    Answer probabilities(const Embedding &embedding, Span<float> out) const {
        const auto view = embedding.view();
        auto answer = sized<offshoot_answer>();
        check(offshoot_head_probabilities(handle(), &view, out.data(), out.size(), &answer));
        return Answer(answer);
    }

    std::vector<float> probabilities(const Embedding &embedding) const {
        std::vector<float> out(class_count());
        probabilities(embedding, out);
        return out;
    }

    /// Cosine similarity with the nearest class mean, and the threshold below which it is unknown.
    struct Similarity {
        float similarity = 0;
        /// NaN if nothing is unknown.
        float threshold = 0;
    };

    Similarity similarity(const Embedding &embedding) const {
        const auto view = embedding.view();
        Similarity found;
        check(offshoot_head_similarity(handle(), &view, &found.similarity, &found.threshold));
        return found;
    }

    /// Confidence from which a class may be said, so that samples of a background class are said to
    /// be of another one once in `windows`; NaN with too few of them.
    float wake_threshold(std::uint32_t background_id, float windows) const {
        float threshold = 0;
        check(offshoot_head_wake_threshold(handle(), background_id, windows, &threshold));
        return threshold;
    }

    /// Share of a class's samples that are said to be of it with this confidence, each held out.
    float recall(std::uint32_t class_id, float threshold) const {
        float share = 0;
        check(offshoot_head_recall(handle(), class_id, threshold, &share));
        return share;
    }

    /// Contribution of each dimension to the log odds of a class against another; returns the bias.
    float contributions(const Embedding &embedding, std::uint32_t class_id, std::uint32_t other_id,
                        Span<float> out) const {
        const auto view = embedding.view();
        float bias = 0;
        check(offshoot_head_contributions(handle(), &view, class_id, other_id, out.data(),
                                          out.size(), &bias));
        return bias;
    }

    /// Weights and biases of a linear head.
    struct Linear {
        offshoot_linear numbers = sized<offshoot_linear>();
        std::vector<float> weights;
        std::vector<float> bias;
    };

    Linear linear() const {
        const auto found = info();
        Linear out;
        out.weights.resize(found.classes * found.dim);
        out.bias.resize(found.classes);
        check(offshoot_head_linear(handle(), &out.numbers, out.weights.data(), out.weights.size(),
                                   out.bias.data(), out.bias.size()));
        out.weights.resize(found.classes * (found.dim - out.numbers.first));
        return out;
    }

    /// Parts of the embeddings, and which of them a fitted head reads.
    offshoot_parts parts() const {
        auto parts = sized<offshoot_parts>();
        check(offshoot_head_parts(handle(), &parts));
        return parts;
    }

    /// How the head answers its own samples, each held out in turn.
    offshoot_report report() const {
        auto report = sized<offshoot_report>();
        check(offshoot_head_report(handle(), &report));
        return report;
    }

    offshoot_class_report report(std::uint32_t class_id) const {
        auto report = sized<offshoot_class_report>();
        check(offshoot_head_report_class(handle(), class_id, &report));
        return report;
    }

    /// Number of held-out samples of a class that were classified as another.
    std::uint32_t confusion(std::uint32_t class_id, std::uint32_t said_id) const {
        std::uint32_t count = 0;
        check(offshoot_head_report_confusion(handle(), class_id, said_id, &count));
        return count;
    }

    /// Advice in sentences, most useful first.
    std::vector<std::string> advice() const {
        std::vector<std::string> out(report().advice);
        for (std::size_t i = 0; i < out.size(); ++i) {
            std::size_t length = 0;
            offshoot_head_report_advice(handle(), i, nullptr, 0, &length);
            out[i].resize(length + 1);
            check(offshoot_head_report_advice(handle(), i, out[i].data(), out[i].size(), nullptr));
            out[i].resize(length);
        }
        return out;
    }

private:
    explicit Head(offshoot_head handle) noexcept : Owner(handle) {}
};

/// Kind of head by its name, such as "auto".
inline offshoot_head_kind head_kind(const std::string &name) {
    std::uint32_t kind = 0;
    check(offshoot_head_kind_named(name.c_str(), &kind));
    return static_cast<offshoot_head_kind>(kind);
}

inline std::optional<Extractor::Map> Extractor::activations(const Head &head,
                                                            std::uint32_t class_id) const {
    Map map;
    auto status = offshoot_extractor_activations(handle(), head.handle(), class_id, nullptr, 0,
                                                 &map.width, &map.height);
    if (status == OFFSHOOT_STATUS_NO_MAP) {
        return std::nullopt;
    }
    if (status == OFFSHOOT_STATUS_BUFFER_TOO_SMALL) {
        map.values.resize(map.width * map.height);
        status =
            offshoot_extractor_activations(handle(), head.handle(), class_id, map.values.data(),
                                           map.values.size(), &map.width, &map.height);
    }
    check(status);
    return map;
}

/// Classifier of places: finds, names and counts objects. It is taught with points and boxes.
class SpatialHead : public detail::Owner<offshoot_spatial_head, offshoot_spatial_head_close> {
public:
    /// Empty head with room for so many classes, for a package that gives cells.
    SpatialHead(const Extractor &extractor, std::uint32_t max_classes)
        : Owner(detail::made<offshoot_spatial_head>([&](offshoot_spatial_head *head) {
              return offshoot_spatial_head_new(extractor.handle(), max_classes, head);
          })) {}

    /// Loads a head that was taught on this extractor's package.
    static SpatialHead load(const std::string &path, const Extractor &extractor) {
        return SpatialHead(detail::made<offshoot_spatial_head>([&](offshoot_spatial_head *head) {
            return offshoot_spatial_head_load(path.c_str(), extractor.handle(), head);
        }));
    }

    /// Makes the head that encode() wrote.
    static SpatialHead decode(Span<const std::uint8_t> bytes, const Extractor &extractor) {
        return SpatialHead(detail::made<offshoot_spatial_head>([&](offshoot_spatial_head *head) {
            return offshoot_spatial_head_decode(bytes.data(), bytes.size(), extractor.handle(),
                                                head);
        }));
    }

    /// Saves the head: the file holds the old head or the new one, whenever the power fails.
    void save(const std::string &path) const {
        check(offshoot_spatial_head_save(handle(), path.c_str()));
    }

    std::vector<std::uint8_t> encode() const {
        return detail::encoded(info().encoded_bytes, [&](auto... out) {
            return offshoot_spatial_head_encode(handle(), out...);
        });
    }

    offshoot_spatial_head_info info() const {
        auto info = sized<offshoot_spatial_head_info>();
        check(offshoot_spatial_head_get_info(handle(), &info));
        return info;
    }

    /// Adds a class; returns its number.
    std::uint32_t add_class(std::string_view name) {
        std::uint32_t class_id = 0;
        check(offshoot_spatial_head_add_class(handle(), detail::text(name).c_str(), &class_id));
        return class_id;
    }

    /// Number of the class of that name.
    std::optional<std::uint32_t> class_named(std::string_view name) const {
        return detail::class_named([&](std::uint32_t *class_id) {
            return offshoot_spatial_head_class_named(handle(), detail::text(name).c_str(),
                                                     class_id);
        });
    }

    offshoot_spatial_class class_info(std::uint32_t class_id) const {
        auto info = sized<offshoot_spatial_class>();
        check(offshoot_spatial_head_get_class(handle(), class_id, &info));
        return info;
    }

    std::string class_name(std::uint32_t class_id) const { return class_info(class_id).name; }

    /// Renames a class; what was learned stays.
    void rename_class(std::uint32_t class_id, const std::string& name) {
        check(offshoot_spatial_head_rename_class(handle(), class_id, name.c_str()));
    }

    /// Forgets a class; the numbers of those behind it move down by one.
    void forget(std::uint32_t class_id) { check(offshoot_spatial_head_forget(handle(), class_id)); }

    /// Box of an object by its left and upper edge, as shares of the frame's sides.
    static offshoot_mark box(std::uint32_t class_id, float left, float top, float width,
                             float height) noexcept {
        return {class_id, left, top, width, height};
    }

    /// Point on an object.
    static offshoot_mark point(std::uint32_t class_id, float x, float y) noexcept {
        return {class_id, x, y, 0, 0};
    }

    /// Learns a frame with all objects in it; without marks, that there are none.
    void teach(const Embedding &cells, Span<const offshoot_mark> marks = {}) {
        const auto view = cells.view();
        check(offshoot_spatial_head_teach(handle(), &view, marks.data(), marks.size()));
    }

    /// Asks the head about a frame whose objects are known; the thresholds count it.
    void test(const Embedding &cells, Span<const offshoot_mark> marks = {}) {
        const auto view = cells.view();
        check(offshoot_spatial_head_test(handle(), &view, marks.data(), marks.size()));
    }

    /// Sets the empty scene of a fixed camera, before the first lesson.
    void set_reference(const Embedding &cells) {
        const auto view = cells.view();
        check(offshoot_spatial_head_set_reference(handle(), &view));
    }

    /// Share of cells that differ from the empty scene; NaN without one.
    float changed(const Embedding &cells) const {
        const auto view = cells.view();
        float share = 0;
        check(offshoot_spatial_head_changed(handle(), &view, &share));
        return share;
    }

    /// Takes the last lesson back; false if there is none that can be.
    bool undo() { return detail::undone(offshoot_spatial_head_undo(handle())); }

    void fit() { check(offshoot_spatial_head_fit(handle())); }

    /// Finds the objects of a frame into memory that is there; returns their number.
    std::size_t find(const Embedding &cells, Span<offshoot_detection> out) {
        const auto view = cells.view();
        std::size_t count = 0;
        check(offshoot_spatial_head_find(handle(), &view, out.data(), out.size(), &count));
        return count;
    }

    /// Finds the objects of a frame, at most 64, those with the highest scores first.
    std::vector<offshoot_detection> find(const Embedding &cells) {
        std::vector<offshoot_detection> out(64);
        out.resize(find(cells, out));
        return out;
    }

    /// Adds what another head has learned.
    void merge(const SpatialHead &other) {
        check(offshoot_spatial_head_merge(handle(), other.handle()));
    }

private:
    explicit SpatialHead(offshoot_spatial_head handle) noexcept : Owner(handle) {}
};

/// Head that knows good frames alone, and marks what is unusual.
class GoodHead : public detail::Owner<offshoot_good_head, offshoot_good_head_close> {
public:
    /// Empty head; `is_fixed` if parts always lie alike before the camera.
    GoodHead(const Extractor &extractor, bool is_fixed)
        : Owner(detail::made<offshoot_good_head>([&](offshoot_good_head *head) {
              return offshoot_good_head_new(extractor.handle(), is_fixed ? 1 : 0, head);
          })) {}

    /// Loads a head that was taught on this extractor's package.
    static GoodHead load(const std::string &path, const Extractor &extractor) {
        return GoodHead(detail::made<offshoot_good_head>([&](offshoot_good_head *head) {
            return offshoot_good_head_load(path.c_str(), extractor.handle(), head);
        }));
    }

    /// Makes the head that encode() wrote.
    static GoodHead decode(Span<const std::uint8_t> bytes, const Extractor &extractor) {
        return GoodHead(detail::made<offshoot_good_head>([&](offshoot_good_head *head) {
            return offshoot_good_head_decode(bytes.data(), bytes.size(), extractor.handle(), head);
        }));
    }

    /// Saves the head: the file holds the old head or the new one, whenever the power fails.
    void save(const std::string &path) const {
        check(offshoot_good_head_save(handle(), path.c_str()));
    }

    std::vector<std::uint8_t> encode() const {
        return detail::encoded(info().encoded_bytes, [&](auto... out) {
            return offshoot_good_head_encode(handle(), out...);
        });
    }

    offshoot_good_head_info info() const {
        auto info = sized<offshoot_good_head_info>();
        check(offshoot_good_head_get_info(handle(), &info));
        return info;
    }

    /// Learns a good frame.
    void teach(const Embedding &cells) {
        const auto view = cells.view();
        check(offshoot_good_head_teach(handle(), &view));
    }

    /// Asks the head about a good frame without learning it; the threshold counts it.
    void test(const Embedding &cells) {
        const auto view = cells.view();
        check(offshoot_good_head_test(handle(), &view));
    }

    /// Takes the last lesson back; false if there is none that can be.
    bool undo() { return detail::undone(offshoot_good_head_undo(handle())); }

    void fit() { check(offshoot_good_head_fit(handle())); }

    /// Measures how unusual a frame is; `heat`, if it is given, has the score of each cell.
    offshoot_unusual look(const Embedding &cells, Span<float> heat = {}) {
        const auto view = cells.view();
        auto unusual = sized<offshoot_unusual>();
        check(offshoot_good_head_look(handle(), &view, &unusual, heat.data(), heat.size()));
        return unusual;
    }

    /// Score of each cell, row by row.
    std::vector<float> heat(const Embedding &cells) {
        const auto found = info();
        std::vector<float> out(static_cast<std::size_t>(found.rows) * found.columns);
        look(cells, out);
        return out;
    }

private:
    explicit GoodHead(offshoot_good_head handle) noexcept : Owner(handle) {}
};

}  // namespace offshoot
