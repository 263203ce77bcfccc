"""What README and docs say is what is there."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
import yaml

from nanohtnet_ros import cli

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.ros
def test_the_parameters_page_is_the_codes(monkeypatch):
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    table = importlib.import_module("parameters_table")
    assert table.PAGE.read_text() == table.page(), "write it anew: python tools/parameters_table.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    text = page.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        file, _, heading = target.partition("#")
        linked = page.parent / file if file else page
        assert linked.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(), re.M)
            assert heading in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_the_readmes_make_targets_and_commands_exist():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
    for target in re.findall(r"^make ([\w-]+)", README, re.M):
        assert target in targets, target
    for line in re.findall(r"^nanohtnet (.+)$", README, re.M):
        words = shlex.split(line, comments=True)
        assert " ".join(words[:1]) in cli.COMMANDS or " ".join(words[:2]) in cli.COMMANDS, line


def test_the_readmes_topics_are_the_nodes():
    """Of each `~/topic` in the README some module makes a publisher or a service."""
    code = "".join(file.read_text() for file in (ROOT / "nanohtnet_ros" / "ros").glob("*.py"))
    topics = set(re.findall(r"`(~/[a-z0-9_]+)`", README))
    assert {"~/skeletons", "~/skeletons_2d", "~/markers"} <= topics
    assert [topic for topic in sorted(topics) if f'{topic[2:]}"' not in code] == []


def test_workflows_and_templates_are_yaml():
    files = [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml", ROOT / "CITATION.cff"]
    assert len(files) >= 5
    for file in files:
        assert isinstance(yaml.safe_load(file.read_text()), dict), file
