// The C++ types of signals and of heads on cells. Arguments: package of cells, package for signals,
// other package, a folder.
#include <offshoot.hpp>

#include <cmath>
#include <cstdio>

#include "check.hpp"

using offshoot::Embedding;
using offshoot::Extractor;
using offshoot::GoodHead;
using offshoot::Signal;
using offshoot::SpatialHead;

namespace {

constexpr int side = 32;
constexpr int places[5][2] = {{2, 4}, {16, 8}, {8, 20}, {22, 22}, {4, 12}};

/// Cells of a bright square of eight pixels on a dark floor; of the floor alone below 0.
Embedding square(Extractor &extractor, int x, int y) {
    std::vector<std::uint8_t> pixels(3 * side * side, 40);
    for (int row = y; x >= 0 && row < y + 8; ++row) {
        std::fill_n(pixels.begin() + 3 * (side * row + x), 24, 220);
    }
    return extractor.embed(offshoot::Frame(OFFSHOOT_PIXEL_FORMAT_RGB8, side, side, pixels));
}

offshoot_mark box(std::uint32_t class_id, const int *at) {
    return SpatialHead::box(class_id, static_cast<float>(at[0]) / side,
                            static_cast<float>(at[1]) / side, 0.25f, 0.25f);
}

void find(Extractor &extractor, const Extractor &other, const std::string &folder) {
    SpatialHead head(extractor, 2);
    const auto class_id = head.add_class("square");
    HOLDS(throws(OFFSHOOT_STATUS_CLASS_NAME, [&] { head.add_class(std::string_view("a\0b", 3)); }));
    HOLDS(head.class_named("square") == class_id && !head.class_named("ring"));
    HOLDS(head.class_name(class_id) == "square" && !head.undo());
    for (const auto &at : places) {
        head.teach(square(extractor, at[0], at[1]), std::vector{box(class_id, at)});
        head.fit();
    }
    head.teach(square(extractor, -1, 0));
    HOLDS(head.undo() && !head.undo());
    head.fit();
    const auto cells = square(extractor, 12, 14);
    const auto found = head.find(cells);
    HOLDS(found.size() == 1 && found[0].class_id == class_id);
    HOLDS(std::fabs(found[0].x - 0.5f) < 0.0625f && std::fabs(found[0].y - 0.5625f) < 0.0625f);
    std::array<offshoot_detection, 3> room{};
    HOLDS(head.find(cells, room) == 1 && room[0].score == found[0].score);
    head.test(cells, std::array{SpatialHead::point(class_id, 0.5f, 0.5625f)});
    HOLDS(head.class_info(class_id).is_tested == 1);
    const std::string path = folder + "/squares.cells";
    head.save(path);
    SpatialHead loaded = SpatialHead::load(path, extractor);
    HOLDS(throws(OFFSHOOT_STATUS_OTHER_PACKAGE, [&] { SpatialHead::load(path, other); }));
    std::remove(path.c_str());
    HOLDS(loaded.find(cells)[0].score == found[0].score);
    loaded.merge(SpatialHead::decode(head.encode(), extractor));
    HOLDS(loaded.info().lessons == 10);
    loaded.forget(class_id);
    HOLDS(loaded.info().classes == 0);
    HOLDS(throws(OFFSHOOT_STATUS_HEAD_SETTINGS, [&] { head.set_reference(cells); }));
    HOLDS(std::isnan(head.changed(cells)));
    SpatialHead fixed(extractor, 1);
    fixed.set_reference(cells);
    HOLDS(fixed.changed(cells) == 0);
    HOLDS(throws(OFFSHOOT_STATUS_NO_CELLS, [&] { SpatialHead(other, 2); }));
}

void inspect(Extractor &extractor, const std::string &folder) {
    GoodHead head(extractor, false);
    HOLDS(!head.undo());
    for (const auto &at : places) {
        head.teach(square(extractor, at[0], at[1]));
        if (head.info().lessons > 1) head.fit();
    }
    const auto usual = square(extractor, 12, 14);
    head.test(square(extractor, 4, 4));
    HOLDS(head.look(usual).is_unusual == 0 && head.info().threshold > 0);
    const auto heat = head.heat(usual);
    const auto seen = head.look(usual);
    HOLDS(heat.size() == 256 && heat[16 * seen.row + seen.column] == seen.score);
    const std::string path = folder + "/floor.good";
    head.save(path);
    HOLDS(GoodHead::load(path, extractor).look(usual).score == seen.score);
    std::remove(path.c_str());
    HOLDS(GoodHead::decode(head.encode(), extractor).info().lessons == 5);
    HOLDS(head.undo() && head.info().lessons == 4);
}

void sense(Extractor &extractor) {
    const auto sensor = extractor.sensor();
    HOLDS(sensor.channels == 3 && sensor.places == 16 && sensor.rate == 50);
    std::vector<std::int16_t> samples(sensor.channels * 26);
    for (std::size_t i = 0; i < samples.size(); ++i) {
        samples[i] = static_cast<std::int16_t>(static_cast<int>(i * 37 % 2001) - 1000);
    }
    std::vector<float> real(sensor.channels * sensor.places);
    std::transform(samples.begin(), samples.begin() + real.size(), real.begin(),
                   [&](std::int16_t sample) { return sample * sensor.unit; });
    const offshoot::Span<const std::int16_t> window(samples.data(), real.size());
    const auto embedding = extractor.embed_signal(Signal(3, window));
    HOLDS(embedding.dim() == 12);
    HOLDS(extractor.embed_signal(Signal(3, real)).values() == embedding.values());
    HOLDS(extractor.embed_recording(Signal(3, samples)).dim() == 12);
    HOLDS(throws(OFFSHOOT_STATUS_SIGNAL, [&] { extractor.embed_signal(Signal(3, samples)); }));
    HOLDS(throws(OFFSHOOT_STATUS_OTHER_INPUT, [&] { extractor.embed_samples(samples); }));
}

}  // namespace

int main(int argc, char **argv) {
    HOLDS(argc == 5);
    Extractor extractor = Extractor::open(argv[1]);
    Extractor sensor = Extractor::open(argv[2]);
    const Extractor other = Extractor::open(argv[3]);
    HOLDS(extractor.cells().rows == 16 && other.cells().rows == 0 && other.sensor().channels == 0);
    find(extractor, other, argv[4]);
    inspect(extractor, argv[4]);
    sense(sensor);
    std::puts("C++, places and signals: all as it must be");
}
