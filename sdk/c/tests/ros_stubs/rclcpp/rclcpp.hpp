// Signatures of ROS 2 (Humble) that the example calls, for a check of its syntax where ROS is
// absent. Nothing runs.
#pragma once
#include <memory>
#include <string>

namespace rclcpp {
struct Logger {};
struct Clock {};
struct SensorDataQoS {};
Logger get_logger(const std::string &name);
void init(int argc, char const *const *argv);
bool shutdown();
template <typename Message>
struct Publisher {
    using SharedPtr = std::shared_ptr<Publisher>;
    void publish(const Message &message);
};
template <typename Message>
struct Subscription {
    using SharedPtr = std::shared_ptr<Subscription>;
};
template <typename Service_>
struct Service {
    using SharedPtr = std::shared_ptr<Service>;
};
class Node {
public:
    explicit Node(const std::string &name);
    virtual ~Node() = default;
    template <typename Value>
    Value declare_parameter(const std::string &name, const Value &value);
    template <typename Message>
    typename Publisher<Message>::SharedPtr create_publisher(const std::string &topic, int depth);
    template <typename Message, typename Qos, typename Callback>
    typename Subscription<Message>::SharedPtr create_subscription(const std::string &topic,
                                                                  const Qos &,
                                                                  Callback &&callback) {
        callback(typename Message::ConstSharedPtr());
        return nullptr;
    }
    template <typename Service_, typename Callback>
    typename Service<Service_>::SharedPtr create_service(const std::string &name,
                                                         Callback &&callback) {
        callback(std::shared_ptr<typename Service_::Request>(),
                 std::shared_ptr<typename Service_::Response>());
        return nullptr;
    }
    Logger get_logger() const;
    std::shared_ptr<Clock> get_clock();
};
void spin(std::shared_ptr<Node> node);
inline void log(const Logger &, const char *, ...) {}
}  // namespace rclcpp
#define RCLCPP_WARN_THROTTLE(logger, clock, duration, ...) \
    (static_cast<void>(clock), rclcpp::log(logger, __VA_ARGS__))
#define RCLCPP_FATAL(logger, ...) rclcpp::log(logger, __VA_ARGS__)
