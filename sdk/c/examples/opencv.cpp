// Classifies images that OpenCV reads: opencv PACKAGE NAME=FILE... WHAT_IS_THIS
#include <cstdio>
#include <map>
#include <offshoot.hpp>
#include <opencv2/imgcodecs.hpp>

/// Frame of a matrix of 8 bits, without copying it; a part of a larger one, too.
static offshoot::Frame frame(const cv::Mat &image) {
    const auto bytes = static_cast<std::size_t>(image.dataend - image.data);
    const auto format =
        image.channels() == 1 ? OFFSHOOT_PIXEL_FORMAT_GRAY8 : OFFSHOOT_PIXEL_FORMAT_BGR8;
    if (image.depth() != CV_8U || (image.channels() != 1 && image.channels() != 3)) {
        throw std::invalid_argument(
            "a matrix of 8 bits with 1 or 3 channels, please: convertTo, cvtColor");
    }
    return {format,
            static_cast<std::uint32_t>(image.cols),
            static_cast<std::uint32_t>(image.rows),
            {image.data, bytes},
            image.step[0]};
}

static cv::Mat read(const std::string &path) {
    cv::Mat image = cv::imread(path);
    if (image.empty()) throw std::runtime_error(path + ": OpenCV cannot read it");
    return image;
}

int main(int argc, char **argv) try {
    if (argc < 4) throw std::invalid_argument("opencv PACKAGE NAME=FILE... WHAT_IS_THIS");
    auto extractor = offshoot::Extractor::open(argv[1]);
    offshoot::Head head(extractor, OFFSHOOT_HEAD_KIND_AUTO, 8, 64);
    for (int i = 2; i < argc - 1; ++i) {
        const std::string argument = argv[i];
        const auto equals = argument.find('=');
        const auto name = argument.substr(0, equals);
        const auto known = head.class_named(name);
        head.add_sample(known ? *known : head.add_class(name),
                        extractor.embed(frame(read(argument.substr(equals + 1)))));
    }
    head.fit();

    const auto answer = head.classify(extractor.embed(frame(read(argv[argc - 1]))));
    if (answer.known) {
        std::printf("%s, %.0f %%\n", head.class_name(*answer.known).c_str(),
                    100 * answer.confidence);
    } else {
        std::puts("nothing I know");
    }
} catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
}
