"""People's 3D skeletons from an ordinary camera, for ROS 2."""

from pkgutil import extend_path

# colcon installs the generated `nanohtnet_ros.msg` beside an installed copy of these modules; run from a checkout,
# Python finds this folder first, and still has to find the messages there.
__path__ = extend_path(__path__, __name__)
