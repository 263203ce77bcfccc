"""What pyproject.toml cannot say: config/train goes into the wheel as nanohtnet_ros/recipes."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["nanohtnet_ros*"]), "nanohtnet_ros.recipes"],
    package_dir={"nanohtnet_ros.recipes": "config/train"},
    package_data={
        "nanohtnet_ros": ["models/*", "models/blazepose/*", "samples/clips/*", "py.typed"],
        "nanohtnet_ros.recipes": ["*.yaml"],
    },
)
