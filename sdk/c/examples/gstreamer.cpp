// Teaches a class from each pipeline but the last, and classifies the frames of the last one:
//   gstreamer PACKAGE 'videotestsrc num-buffers=5 pattern=ball' 'videotestsrc num-buffers=5
//   pattern=snow' 'v4l2src'
#include <cstdio>
#include <functional>
#include <memory>

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <offshoot.hpp>

static offshoot_pixel_format format(GstVideoFormat format) {
    switch (format) {
        case GST_VIDEO_FORMAT_RGB: return OFFSHOOT_PIXEL_FORMAT_RGB8;
        case GST_VIDEO_FORMAT_BGR: return OFFSHOOT_PIXEL_FORMAT_BGR8;
        case GST_VIDEO_FORMAT_GRAY8: return OFFSHOOT_PIXEL_FORMAT_GRAY8;
        case GST_VIDEO_FORMAT_RGB16: return OFFSHOOT_PIXEL_FORMAT_RGB565;
        case GST_VIDEO_FORMAT_YUY2: return OFFSHOOT_PIXEL_FORMAT_YUYV;
        case GST_VIDEO_FORMAT_NV12: return OFFSHOOT_PIXEL_FORMAT_NV12;
        case GST_VIDEO_FORMAT_I420: return OFFSHOOT_PIXEL_FORMAT_I420;
        default: throw std::runtime_error("a pixel format that the caps below do not ask for");
    }
}

/// Mapped frame of a sample, with the strides that the element has given it.
class Mapped {
public:
    explicit Mapped(GstSample *sample) {
        GstVideoInfo info;
        if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) ||
            !gst_video_frame_map(&frame_, &info, gst_sample_get_buffer(sample), GST_MAP_READ)) {
            throw std::runtime_error("a sample without a video frame");
        }
    }
    ~Mapped() { gst_video_frame_unmap(&frame_); }
    Mapped(const Mapped &) = delete;
    Mapped &operator=(const Mapped &) = delete;

    offshoot::Frame frame() const {
        const auto stride = static_cast<std::size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame_, 0));
        const auto height = static_cast<std::size_t>(GST_VIDEO_FRAME_HEIGHT(&frame_));
        if (GST_VIDEO_FRAME_N_PLANES(&frame_) > 1 &&
            GST_VIDEO_FRAME_PLANE_OFFSET(&frame_, 1) != stride * height) {
            throw std::runtime_error("planes with a gap between them: put videoconvert before");
        }
        const auto *pixels =
            static_cast<const std::uint8_t *>(GST_VIDEO_FRAME_PLANE_DATA(&frame_, 0));
        return {format(GST_VIDEO_FRAME_FORMAT(&frame_)),
                static_cast<std::uint32_t>(GST_VIDEO_FRAME_WIDTH(&frame_)),
                static_cast<std::uint32_t>(height),
                {pixels, GST_VIDEO_FRAME_SIZE(&frame_)},
                stride};
    }

private:
    GstVideoFrame frame_;
};

/// Calls `work` with every frame of a pipeline, until it ends.
static void frames(const std::string &source,
                   const std::function<void(const offshoot::Frame &)> &work) {
    const std::string sink =
        " ! videoconvert ! video/x-raw,format={NV12,I420,YUY2,RGB,BGR,RGB16,GRAY8} ! appsink "
        "name=sink sync=false max-buffers=2";
    GError *error = nullptr;
    std::unique_ptr<GstElement, void (*)(GstElement *)> pipeline(
        gst_parse_launch((source + sink).c_str(), &error), [](GstElement *element) {
            gst_element_set_state(element, GST_STATE_NULL);
            gst_object_unref(element);
        });
    if (error != nullptr) {
        const std::string message = error->message;
        g_error_free(error);
        throw std::runtime_error(message);
    }
    std::unique_ptr<GstElement, void (*)(void *)> found(
        gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink"), gst_object_unref);
    auto *appsink = GST_APP_SINK(found.get());
    if (gst_element_set_state(pipeline.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
        throw std::runtime_error(source + ": does not start; GST_DEBUG=2 says why");
    }
    while (GstSample *sample = gst_app_sink_pull_sample(appsink)) {
        std::unique_ptr<GstSample, void (*)(GstSample *)> owner(sample, gst_sample_unref);
        work(Mapped(sample).frame());
    }
}

int main(int argc, char **argv) try {
    gst_init(&argc, &argv);
    if (argc < 4) throw std::invalid_argument("gstreamer PACKAGE PIPELINE... PIPELINE");
    auto extractor = offshoot::Extractor::open(argv[1]);
    offshoot::Head head(extractor, OFFSHOOT_HEAD_KIND_AUTO, 8, 256);
    auto embedding = extractor.embedding();
    for (int i = 2; i < argc - 1; ++i) {
        const auto class_id = head.add_class("pipeline " + std::to_string(i - 1));
        frames(argv[i], [&](const offshoot::Frame &frame) {
            extractor.embed(frame, embedding);
            head.add_sample(class_id, embedding);
        });
    }
    head.fit();

    frames(argv[argc - 1], [&](const offshoot::Frame &frame) {
        extractor.embed(frame, embedding);
        const auto answer = head.classify(embedding);
        const auto name = answer.known ? head.class_name(*answer.known) : "nothing I know";
        std::printf("%s, %.0f %%\n", name.c_str(), 100 * answer.confidence);
    });
} catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
}
