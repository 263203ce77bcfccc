# Opens the environment that `make setup` made: source it from bash or sh.
#   source env.sh

_nanohtnet_root="${BASH_SOURCE:-$PWD/env.sh}"
_nanohtnet_root="$(cd "$(dirname "$_nanohtnet_root")" && pwd)"

if [ ! -x "$_nanohtnet_root/.venv/bin/python" ]; then
  echo "env.sh: nothing is set up yet: run 'make setup' first" >&2
  return 1
fi

VIRTUAL_ENV="$_nanohtnet_root/.venv"
export VIRTUAL_ENV

# A ROS 2 that was sourced at set-up is sourced again where it is not.
if [ -f "$VIRTUAL_ENV/system_ros" ] && [ -z "${ROS_DISTRO:-}" ]; then
  . "$(cat "$VIRTUAL_ENV/system_ros")/setup.sh"
fi

case ":$PATH:" in *":$VIRTUAL_ENV/bin:"*) ;; *) PATH="$VIRTUAL_ENV/bin:$PATH"; export PATH ;; esac

if [ -d "$VIRTUAL_ENV/share/rclpy" ]; then
  # ROS 2 from PyPI: the virtual environment is the ROS prefix.
  export ROS_DISTRO=jazzy NANOHTNET_ROS_FROM_PIP=1  # the latter tells set-up that this is its own ROS
  export AMENT_PREFIX_PATH="$VIRTUAL_ENV" CMAKE_PREFIX_PATH="$VIRTUAL_ENV"
  # The wheels' libraries. Set here once; otherwise every Python process would start twice to set it itself.
  _nanohtnet_libs="$VIRTUAL_ENV/lib"
  for _nanohtnet_dir in "$VIRTUAL_ENV"/lib/python3.*/site-packages/ros_*.libs; do
    _nanohtnet_libs="$_nanohtnet_libs:$_nanohtnet_dir"
  done
  export LD_LIBRARY_PATH="$_nanohtnet_libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
fi

if [ -f "$_nanohtnet_root/install/local_setup.sh" ] && [ -z "${NANOHTNET_SETUP:-}" ]; then
  COLCON_CURRENT_PREFIX="$_nanohtnet_root/install"
  . "$_nanohtnet_root/install/local_setup.sh"
  unset COLCON_CURRENT_PREFIX
  PATH="$_nanohtnet_root/install/nanohtnet_ros/lib/nanohtnet_ros:$PATH"
  export PATH
  # Fast DDS in its default setting loses images between processes; this profile carries them.
  # The variable is the distribution's, and a user's own profile or transports win, as in nanohtnet_ros/ros/fastdds.py.
  _nanohtnet_profile="$_nanohtnet_root/install/nanohtnet_ros/share/nanohtnet_ros/config/fastdds.xml"
  case "${FASTDDS_BUILTIN_TRANSPORTS:+own}${ROS_DISTRO:-}" in
    own*) ;;
    humble|iron|jazzy) export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$_nanohtnet_profile}" ;;
    *) [ -n "${FASTRTPS_DEFAULT_PROFILES_FILE:-}" ] ||
         export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$_nanohtnet_profile}" ;;
  esac
fi
unset _nanohtnet_root _nanohtnet_libs _nanohtnet_dir _nanohtnet_profile
