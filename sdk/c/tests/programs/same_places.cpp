// Answers of offshoot.hpp about places and signals: the lines of sdk/examples/same_places.rs.
//   same_places CELLS SIGNALS
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include <offshoot.hpp>

namespace {

using offshoot::Extractor;
using offshoot::SpatialHead;
using Colour = std::array<std::uint8_t, 3>;

constexpr Colour bright{220, 220, 220};

/// FNV-1a.
std::uint64_t digest(const std::vector<std::uint8_t> &bytes) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const auto byte : bytes) {
        hash = (hash ^ byte) * 0x100000001b3;
    }
    return hash;
}

std::uint64_t digest(const std::vector<float> &values) {
    std::vector<std::uint8_t> bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return digest(bytes);
}

void print_bits(const std::vector<float> &values) {
    for (const auto value : values) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        std::printf(" %08" PRIx32, bits);
    }
}

offshoot::Embedding square(Extractor &extractor, int x, int y, const Colour &colour) {
    std::vector<std::uint8_t> pixels(3 * 32 * 32, 40);
    for (int i = 0; i < 64; ++i) {
        const int at = 3 * (32 * (y + i / 8) + x + i % 8);
        std::copy(colour.begin(), colour.end(), pixels.begin() + at);
    }
    return extractor.embed(offshoot::Frame(OFFSHOOT_PIXEL_FORMAT_RGB8, 32, 32, pixels));
}

void places(Extractor &extractor) {
    SpatialHead head(extractor, 2);
    offshoot::GoodHead good(extractor, false);
    const auto class_id = head.add_class("square");
    constexpr int taught[5][2] = {{2, 4}, {16, 8}, {8, 20}, {22, 22}, {4, 12}};
    for (const auto &[x, y] : taught) {
        const auto cells = square(extractor, x, y, bright);
        const auto mark = SpatialHead::box(class_id, static_cast<float>(x) / 32,
                                           static_cast<float>(y) / 32, 0.25f, 0.25f);
        head.teach(cells, std::array{mark});
        head.fit();
        good.teach(cells);
        if (good.info().lessons > 1) good.fit();
    }
    for (const auto &found : head.find(square(extractor, 12, 14, bright))) {
        std::printf("found %" PRIu32, found.class_id);
        print_bits({found.score, found.x, found.y, found.width, found.height});
        std::printf("\n");
    }
    const auto cells = square(extractor, 12, 14, Colour{255, 0, 255});
    const auto odd = good.look(cells);
    std::printf("unusual %" PRIu32, odd.is_unusual);
    print_bits({odd.score, odd.threshold, odd.x, odd.y});
    std::printf(" %016" PRIx64 "\n", digest(good.heat(cells)));
    std::printf("heads %016" PRIx64 " %016" PRIx64 "\n", digest(head.encode()),
                digest(good.encode()));
}

void signals(Extractor &extractor) {
    std::vector<std::int16_t> samples(3 * 26);
    for (int i = 0; i < 3 * 26; ++i) {
        samples[static_cast<std::size_t>(i)] = static_cast<std::int16_t>(i * 37 % 2001 - 1000);
    }
    const offshoot::Span<const std::int16_t> window(samples.data(), 3 * 16);
    const auto one = extractor.embed_signal(offshoot::Signal(3, window));
    std::printf("window %016" PRIx64 "\n", digest(one.values()));
    const auto mean = extractor.embed_recording(offshoot::Signal(3, samples));
    std::printf("recording %016" PRIx64 "\n", digest(mean.values()));
}

}  // namespace

int main(int argc, char **argv) try {
    if (argc != 3) {
        std::fputs("usage: same_places CELLS SIGNALS\n", stderr);
        return 2;
    }
    auto cells = Extractor::open(argv[1]);
    auto sensor = Extractor::open(argv[2]);
    places(cells);
    signals(sensor);
} catch (const offshoot::Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
