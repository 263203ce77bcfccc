"""What pyproject.toml cannot say: config/train goes into the wheel as nanohtnet_ros/recipes, msg as definitions."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["nanohtnet_ros*"]), "nanohtnet_ros.recipes", "nanohtnet_ros.definitions"],
    package_dir={"nanohtnet_ros.recipes": "config/train", "nanohtnet_ros.definitions": "msg"},
    package_data={
        "nanohtnet_ros": ["models/*", "models/blazepose/*", "samples/clips/*", "py.typed"],
        "nanohtnet_ros.recipes": ["*.yaml"],
        "nanohtnet_ros.definitions": ["*.msg"],
    },
)
