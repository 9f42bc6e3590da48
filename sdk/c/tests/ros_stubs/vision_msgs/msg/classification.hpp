#pragma once
#include <sensor_msgs/msg/image.hpp>

namespace vision_msgs::msg {
struct ObjectHypothesis {
    std::string class_id;
    double score;
};
struct Classification {
    std_msgs::msg::Header header;
    std::vector<ObjectHypothesis> results;
};
}  // namespace vision_msgs::msg
