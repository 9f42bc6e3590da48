// The C++ types: ownership, exceptions, and every method. Arguments: tiny package, other package, a
// folder.
#include <offshoot.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <type_traits>

#include "check.hpp"

using offshoot::Extractor;
using offshoot::Frame;
using offshoot::Head;

namespace {

Frame grey(std::array<std::uint8_t, 64> &pixels, int shade) {
    pixels.fill(static_cast<std::uint8_t>(shade));
    return Frame(OFFSHOOT_PIXEL_FORMAT_GRAY8, 8, 8, pixels);
}

std::vector<std::uint8_t> whole(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

static_assert(!std::is_copy_constructible_v<Extractor> && !std::is_copy_assignable_v<Head>);
static_assert(std::is_nothrow_move_constructible_v<Extractor> &&
              std::is_nothrow_move_assignable_v<Head>);

void own(const std::string &tiny) {
    auto options = Extractor::options();
    options.threads = 2;
    Extractor first = Extractor::open(tiny, options);
    const auto handle = first.handle();
    Extractor second = std::move(first);
    HOLDS(first.handle().id == 0 && second.handle().id == handle.id);
    HOLDS(throws(OFFSHOOT_STATUS_INVALID_HANDLE, [&] { first.info(); }));
    const auto bytes = whole(tiny);
    second = Extractor::open_bytes(bytes);
    auto info = offshoot::sized<offshoot_extractor_info>();
    HOLDS(offshoot_extractor_get_info(handle, &info) == OFFSHOOT_STATUS_INVALID_HANDLE);
    HOLDS(second.info().threads == 1 && second.dim() == 10);
    auto &self = second;
    second = std::move(self);
    HOLDS(second.dim() == 10 && second.info().dim == 10);
    {
        Extractor fixed = Extractor::open_static(bytes);
        HOLDS(fixed.package_id() == second.package_id() && fixed.source() == second.source());
        HOLDS(fixed.verify().vectors == 1);
    }
    HOLDS(throws(OFFSHOOT_STATUS_IO, [] { Extractor::open("absent"); }));
}

void teach(Extractor &extractor, Head &head) {
    std::array<std::uint8_t, 64> pixels;
    auto embedding = extractor.embedding();
    for (std::string_view name : {"dark", "light"}) {
        HOLDS(head.class_name(head.add_class(name)) == name);
    }
    for (int i = 0; i < 8; ++i) {
        extractor.embed(grey(pixels, 20 + 5 * i), embedding);
        head.add_sample(0, embedding);
        // The mean of several is an embedding, too.
        head.add_sample(1,
                        offshoot::Embedding(extractor.embed(grey(pixels, 235 - 5 * i)).values()));
    }
    HOLDS(throws(OFFSHOOT_STATUS_CLASS_NAME, [&] { head.add_class(std::string_view("a\0b", 3)); }));
    HOLDS(throws(OFFSHOOT_STATUS_NO_SUCH_CLASS, [&] { head.add_sample(2, embedding); }));
    HOLDS(throws(OFFSHOOT_STATUS_NOT_FITTED, [&] { head.classify(embedding); }));
}

void ask(Extractor &extractor, Head &head) {
    std::array<std::uint8_t, 64> pixels;
    const auto embedding = extractor.embed(grey(pixels, 230));
    HOLDS(std::isfinite(head.fit().gradient_norm));
    const auto answer = head.classify(embedding);
    HOLDS(answer.known == 1u && answer.class_id == 1 && answer.confidence > 0.5f);
    HOLDS(head.probabilities(embedding).at(1) == answer.confidence);
    HOLDS(head.similarity(embedding).similarity > 0.5f);
    std::vector<float> parts(extractor.dim());
    float odds = head.contributions(embedding, 1, 0, parts);
    for (float part : parts) odds += part;
    HOLDS(odds > 0);
    HOLDS(head.linear().weights.size() == 20 && head.chosen().kind == OFFSHOOT_HEAD_KIND_RIDGE);
    HOLDS(head.report().asked == 16 && head.report(0).asked == 8);
    HOLDS(head.confusion(0, 0) == head.report(0).right);
    HOLDS(head.recall(0, 0) * 8 == static_cast<float>(head.report(0).right));
    HOLDS(!(head.wake_threshold(0, 100) > 1));
    HOLDS(head.advice().size() == head.report().advice);
    for (const auto &advice : head.advice()) HOLDS(advice.size() > 5 && advice.back() != 0);
    HOLDS(!extractor.activations(head, 1));
    bool threw = false;
    try {
        embedding.at(10);
    } catch (const std::out_of_range &) {
        threw = true;
    }
    HOLDS(threw);
}

void correct(const Extractor &extractor, const Extractor &other, Head &head,
             const std::string &folder) {
    const std::string path = folder + "/things.head";
    head.save(path);
    HOLDS(Head::load(path, extractor).sample_count() == 16);
    HOLDS(throws(OFFSHOOT_STATUS_OTHER_PACKAGE, [&] { Head::load(path, other); }));
    Head again = Head::decode(head.encode(), extractor);
    again.merge(Head::read(path));
    HOLDS(again.sample_count() == 32 && again.class_count() == 2);
    std::remove(path.c_str());
    HOLDS(head.sample(0).first == 0 && head.sample(0).second.dim() == 10);
    HOLDS(head.undo() == 1u && head.remove_sample(0) == 0);
    head.rename_class(1, "bright");
    HOLDS(head.class_named("bright") == 1u && !head.class_named("light"));
    HOLDS(head.class_info(1).samples == 7);
    head.forget_left_out();
    head.remove_class(0);
    head.set_inverse_l2(10);
    head.set_transform(OFFSHOOT_TRANSFORM_RAW);
    head.set_false_rejection_rate(0);
    head.set_when_full(OFFSHOOT_WHEN_FULL_REFUSE);
    HOLDS(head.info().inverse_l2 == 10 && head.info().when_full == OFFSHOOT_WHEN_FULL_REFUSE);
    while (head.undo()) {
    }
    HOLDS(head.sample_count() == 0);
    HOLDS(throws(OFFSHOOT_STATUS_NOTHING_TAUGHT, [&] { head.fit(); }));
}

}  // namespace

int main(int argc, char **argv) {
    HOLDS(argc == 4);
    own(argv[1]);
    Extractor extractor = Extractor::open(argv[1]);
    const Extractor other = Extractor::open(argv[2]);
    Head head(extractor, offshoot::head_kind("ridge"), 4, 40);
    HOLDS(throws(OFFSHOOT_STATUS_HEAD_KIND, [] { offshoot::head_kind("tree"); }));
    HOLDS(throws(OFFSHOOT_STATUS_OTHER_INPUT,
                 [&] { extractor.embed_tokens(std::vector<std::uint32_t>{1}); }));
    HOLDS(throws(OFFSHOOT_STATUS_IMAGE,
                 [&] { extractor.embed_image(std::vector<std::uint8_t>(9)); }));
    teach(extractor, head);
    ask(extractor, head);
    correct(extractor, other, head, argv[3]);
    std::puts("C++: all as it must be");
}
