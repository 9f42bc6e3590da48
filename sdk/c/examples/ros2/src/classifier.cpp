// Node that classifies images and is taught while it runs.
//
//   ros2 run offshoot_ros classifier --ros-args -p package:=sprout.offshoot -p head:=things.head -r
//   image:=/camera/image_raw ros2 service call /classifier/teach offshoot_ros/srv/Teach
//   "{class_name: mug}" ros2 service call /classifier/undo std_srvs/srv/Trigger ros2 service call
//   /classifier/save std_srvs/srv/Trigger ros2 topic echo /classifier/classification
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <offshoot.hpp>
#include <offshoot_ros/srv/teach.hpp>
#include <rclcpp/rclcpp.hpp>
#include <sensor_msgs/msg/image.hpp>
#include <std_srvs/srv/trigger.hpp>
#include <vision_msgs/msg/classification.hpp>

using offshoot_ros::srv::Teach;
using sensor_msgs::msg::Image;
using std_srvs::srv::Trigger;
using vision_msgs::msg::Classification;

namespace {

/// Encodings of sensor_msgs/image_encodings.hpp.
std::optional<offshoot_pixel_format> format(const std::string &encoding) {
    if (encoding == "rgb8") return OFFSHOOT_PIXEL_FORMAT_RGB8;
    if (encoding == "bgr8" || encoding == "8UC3") return OFFSHOOT_PIXEL_FORMAT_BGR8;
    if (encoding == "mono8" || encoding == "8UC1") return OFFSHOOT_PIXEL_FORMAT_GRAY8;
    if (encoding == "yuv422_yuy2" || encoding == "yuyv") return OFFSHOOT_PIXEL_FORMAT_YUYV;
    if (encoding == "nv12") return OFFSHOOT_PIXEL_FORMAT_NV12;
    return std::nullopt;
}

}  // namespace

class Classifier : public rclcpp::Node {
public:
    Classifier()
        : Node("classifier"),
          path_(declare_parameter<std::string>("head", "things.head")),
          extractor_(offshoot::Extractor::open(
              declare_parameter<std::string>("package", "sprout.offshoot"))),
          embedding_(extractor_.embedding()),
          head_(std::filesystem::exists(path_)
                    ? offshoot::Head::load(path_, extractor_)
                    : offshoot::Head(extractor_, OFFSHOOT_HEAD_KIND_AUTO, 16, 256)) {
        publisher_ = create_publisher<Classification>("~/classification", 10);
        images_ =
            create_subscription<Image>("image", rclcpp::SensorDataQoS(),
                                       [this](Image::ConstSharedPtr image) { classify(*image); });
        teach_ =
            create_service<Teach>("~/teach", [this](const std::shared_ptr<Teach::Request> request,
                                                    std::shared_ptr<Teach::Response> response) {
                answer(*response, [&] { return teach(request->class_name); });
            });
        undo_ =
            create_service<Trigger>("~/undo", [this](const std::shared_ptr<Trigger::Request>,
                                                     std::shared_ptr<Trigger::Response> response) {
                answer(*response, [&] { return undo(); });
            });
        save_ =
            create_service<Trigger>("~/save", [this](const std::shared_ptr<Trigger::Request>,
                                                     std::shared_ptr<Trigger::Response> response) {
                answer(*response, [&] {
                    head_.save(path_);
                    return "saved to " + path_;
                });
            });
        refit();
    }

private:
    /// Runs a service: its message is what it says, or what the error says.
    template <typename Response>
    static void answer(Response &response, const std::function<std::string()> &work) {
        try {
            response.message = work();
            response.success = true;
        } catch (const std::exception &error) {
            response.message = error.what();
            response.success = false;
        }
    }

    void classify(const Image &image) {
        try {
            const auto pixel_format = format(image.encoding);
            if (!pixel_format)
                throw std::runtime_error("encoding " + image.encoding +
                                         ": rgb8, bgr8, mono8, yuv422_yuy2 or nv12");
            has_image_ = false;
            extractor_.embed({*pixel_format, image.width, image.height, image.data, image.step},
                             embedding_);
            has_image_ = true;
            if (head_.sample_count() == 0) return;
            const auto answer = head_.classify(embedding_);
            Classification message;
            message.header = image.header;
            if (answer.known) {
                message.results.resize(1);
                message.results[0].class_id = head_.class_name(*answer.known);
                message.results[0].score = answer.confidence;
            }
            publisher_->publish(message);
        } catch (const std::exception &error) {
            RCLCPP_WARN_THROTTLE(get_logger(), *get_clock(), 2000, "%s", error.what());
        }
    }

    std::string teach(const std::string &name) {
        if (!has_image_) throw std::runtime_error("no image yet; is the topic right?");
        const auto known = head_.class_named(name);
        const auto class_id = known ? *known : head_.add_class(name);
        head_.add_sample(class_id, embedding_);
        refit();
        return std::to_string(head_.class_info(class_id).samples) + " samples of " + name;
    }

    std::string undo() {
        const auto class_id = head_.undo();
        if (!class_id) throw std::runtime_error("no sample to take back");
        refit();
        return "took back a sample of " + head_.class_name(*class_id);
    }

    void refit() {
        if (head_.sample_count() > 0) head_.fit();
    }

    std::string path_;
    offshoot::Extractor extractor_;
    offshoot::Embedding embedding_;
    offshoot::Head head_;
    bool has_image_ = false;
    rclcpp::Publisher<Classification>::SharedPtr publisher_;
    rclcpp::Subscription<Image>::SharedPtr images_;
    rclcpp::Service<Teach>::SharedPtr teach_;
    rclcpp::Service<Trigger>::SharedPtr undo_;
    rclcpp::Service<Trigger>::SharedPtr save_;
};

int main(int argc, char **argv) {
    rclcpp::init(argc, argv);
    try {
        rclcpp::spin(std::make_shared<Classifier>());
    } catch (const std::exception &error) {
        RCLCPP_FATAL(rclcpp::get_logger("classifier"), "%s", error.what());
        rclcpp::shutdown();
        return 1;
    }
    rclcpp::shutdown();
}
