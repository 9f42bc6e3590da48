// Answers of offshoot.hpp to the lesson of tests/doors: the lines of sdk/examples/same_answers.rs.
//   same_answers PACKAGE LESSON KIND
#include <cstring>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <offshoot.hpp>

namespace {

using Bytes = std::vector<std::uint8_t>;

/// FNV-1a.
std::string digest(offshoot::Span<const std::uint8_t> bytes) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const auto byte : bytes) {
        hash = (hash ^ byte) * 0x100000001b3;
    }
    std::ostringstream out;
    out << std::hex << std::setfill('0') << std::setw(16) << hash;
    return out.str();
}

std::string digest(const std::vector<float> &values) {
    Bytes bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return digest(bytes);
}

std::string bits(float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    std::ostringstream out;
    out << std::hex << std::setfill('0') << std::setw(8) << bits;
    return out.str();
}

Bytes read(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw std::runtime_error("no file " + path);
    }
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

offshoot_pixel_format format_named(const std::string &name) {
    static const std::map<std::string, offshoot_pixel_format> formats{
        {"rgb", OFFSHOOT_PIXEL_FORMAT_RGB8},      {"bgr", OFFSHOOT_PIXEL_FORMAT_BGR8},
        {"grey", OFFSHOOT_PIXEL_FORMAT_GRAY8},    {"rgb565", OFFSHOOT_PIXEL_FORMAT_RGB565},
        {"yuyv", OFFSHOOT_PIXEL_FORMAT_YUYV},     {"nv12", OFFSHOOT_PIXEL_FORMAT_NV12},
        {"i420", OFFSHOOT_PIXEL_FORMAT_I420},
    };
    return formats.at(name);
}

class Learner {
public:
    Learner(const std::string &package, const std::string &kind)
        : extractor_(offshoot::Extractor::open(package)),
          head_(extractor_, offshoot::head_kind(kind), 4, 20) {}

    void step(std::istream &words) {
        std::string step;
        words >> step;
        if (step == "image") {
            image(words);
        } else if (step == "teach") {
            teach(words);
        } else if (step == "undo") {
            undo();
        } else if (step == "forget") {
            head_.remove_class(head_.class_named(word(words)).value());
            samples();
        } else if (step == "classify") {
            classify(words);
        } else if (step == "report") {
            report();
        } else if (step == "save") {
            const auto bytes = head_.encode();
            std::cout << ' ' << bytes.size() << ' ' << digest(bytes);
        } else {
            throw std::runtime_error("no step " + step);
        }
    }

private:
    static std::string word(std::istream &words) {
        std::string word;
        words >> word;
        return word;
    }

    void image(std::istream &words) {
        std::string name, format, path;
        std::uint32_t width = 0, height = 0;
        words >> name >> format >> width >> height >> path;
        const auto bytes = read(path);
        const auto embedding = [&] {
            if (format == "file") {
                return extractor_.embed_image(bytes);
            }
            return extractor_.embed(offshoot::Frame(format_named(format), width, height, bytes));
        }();
        std::cout << ' ' << digest(embedding.values());
        images_.emplace(name, embedding);
    }

    void samples() const {
        for (std::uint32_t id = 0; id < head_.class_count(); ++id) {
            const auto info = head_.class_info(id);
            std::cout << ' ' << info.name << ' ' << info.samples;
        }
    }

    void teach(std::istream &words) {
        const auto name = word(words);
        const auto known = head_.class_named(name);
        head_.add_sample(known ? *known : head_.add_class(name), images_.at(word(words)));
        samples();
    }

    void undo() {
        const auto id = head_.undo().value();
        const auto info = head_.class_info(id);
        if (info.samples == 0) {
            head_.remove_class(id);
        }
        std::cout << ' ' << info.name;
        samples();
    }

    void classify(std::istream &words) {
        head_.fit();
        std::vector<float> shares(head_.class_count());
        const auto answer = head_.probabilities(images_.at(word(words)), shares);
        std::cout << (answer.known ? " is " : " unlike ") << head_.class_name(answer.class_id) << ' '
                  << bits(answer.confidence);
        for (const auto share : shares) {
            std::cout << ' ' << bits(share);
        }
    }

    void report() {
        head_.fit();
        const auto report = head_.report();
        std::cout << ' ' << report.right << " of " << report.asked;
        for (std::uint32_t own = 0; own < head_.class_count(); ++own) {
            for (std::uint32_t said = 0; said < head_.class_count(); ++said) {
                std::cout << ' ' << head_.confusion(own, said);
            }
        }
        Bytes advice;
        for (const auto &text : head_.advice()) {
            advice.insert(advice.end(), text.begin(), text.end());
        }
        std::cout << ' ' << digest(std::vector<float>{report.low, report.high}) << ' '
                  << digest(advice);
    }

    offshoot::Extractor extractor_;
    offshoot::Head head_;
    std::map<std::string, offshoot::Embedding> images_;
};

}  // namespace

int main(int argc, char **argv) {
    if (argc != 4) {
        std::cerr << "usage: same_answers PACKAGE LESSON KIND\n";
        return 2;
    }
    try {
        Learner learner(argv[1], argv[3]);
        std::ifstream lesson(argv[2]);
        for (std::string line; std::getline(lesson, line);) {
            if (line.empty() || line[0] == '#') {
                continue;
            }
            std::cout << line << ':';
            std::istringstream words(line);
            learner.step(words);
            std::cout << '\n';
        }
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
