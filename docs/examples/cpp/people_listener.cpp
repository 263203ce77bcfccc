// Who is where, and who raises a hand, from a running pose_node.
#include <memory>

#include <nanohtnet_ros/msg/gesture.hpp>
#include <nanohtnet_ros/msg/person_state_array.hpp>
#include <nanohtnet_ros/msg/skeleton3_d_array.hpp>
#include <rclcpp/rclcpp.hpp>

using nanohtnet_ros::msg::Gesture;
using nanohtnet_ros::msg::PersonStateArray;
using nanohtnet_ros::msg::Skeleton3D;
using nanohtnet_ros::msg::Skeleton3DArray;

class PeopleListener : public rclcpp::Node {
 public:
  PeopleListener() : Node("people_listener") {
    skeletons_ = create_subscription<Skeleton3DArray>(
        "pose_node/skeletons", 10, [this](Skeleton3DArray::ConstSharedPtr msg) { on_skeletons(*msg); });
    states_ = create_subscription<PersonStateArray>(
        "pose_node/person_states", 10, [this](PersonStateArray::ConstSharedPtr msg) { on_states(*msg); });
  }

 private:
  void on_skeletons(const Skeleton3DArray& msg) {
    for (const auto& person : msg.skeletons) {
      if (!person.root_valid) continue;
      const auto& wrist = person.joints[Skeleton3D::R_WRIST];  // relative to the root; NaN if missing
      RCLCPP_INFO(get_logger(), "person %u at %.2f %.2f %.2f m in %s, right hand %.2f m beside the hip (%.0f %%)",
                  person.track_id, person.root.x, person.root.y, person.root.z, msg.header.frame_id.c_str(), wrist.x,
                  100 * person.confidence[Skeleton3D::R_WRIST]);
    }
  }

  void on_states(const PersonStateArray& msg) {
    for (const auto& person : msg.people)
      for (const auto& gesture : person.gestures)
        if (gesture.gesture == Gesture::HAND_RAISED)
          RCLCPP_INFO(get_logger(), "person %u raises a hand (%.0f %%)", person.track_id, 100 * gesture.confidence);
  }

  rclcpp::Subscription<Skeleton3DArray>::SharedPtr skeletons_;
  rclcpp::Subscription<PersonStateArray>::SharedPtr states_;
};

int main(int argc, char** argv) {
  rclcpp::init(argc, argv);
  rclcpp::spin(std::make_shared<PeopleListener>());
  rclcpp::shutdown();
}
