#pragma once
#include <string>

namespace offshoot_ros::srv {
struct Teach {
    struct Request {
        std::string class_name;
    };
    struct Response {
        bool success;
        std::string message;
    };
};
}  // namespace offshoot_ros::srv
