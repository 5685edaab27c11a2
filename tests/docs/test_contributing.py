"""The commands of CONTRIBUTING.md, the Justfile and the hooks of pre-commit are those that CI runs."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import ROOT, Page

from docs.reader import run_shell

PAGE = Page.named("CONTRIBUTING.md")
CI = (ROOT / ".ci" / "run").read_text("utf-8")
TOX = configparser.ConfigParser(interpolation=None)
TOX.read(ROOT / "tox.ini")
JUST = Path(sys.executable).with_name("just")
BY_HAND = {"coverage", "benchmark"}
"""Environments of tox that CI doesn't run, since they take long: before a release, and for a claim about speed."""


def environments(text: str) -> set[str]:
    """Returns the environments that `text` names to tox."""
    return {name for names in re.findall(r"tox (?:run )?-e ([a-z0-9,]+)", text) for name in names.split(",")}


def tox_commands(environment: str) -> list[str]:
    """Returns the commands of an environment, without what tox puts into them."""
    commands = TOX[f"testenv:{environment}" if environment != "py" else "testenv"]["commands"]
    return commands.replace("{[testenv]special}", TOX["testenv"]["special"]).replace(" {posargs}", "").split("\n")


def recipes() -> dict[str, dict[str, Any]]:
    """Returns the recipes of the Justfile, by name."""
    dumped = subprocess.run([JUST, "--dump", "--dump-format", "json"], cwd=ROOT, capture_output=True, check=True)
    found: dict[str, dict[str, Any]] = json.loads(dumped.stdout)["recipes"]
    return found


def recipe_commands(*words: str) -> list[str]:
    """Returns the commands that a recipe would run, without the folder of the environment."""
    shown = subprocess.run([JUST, "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return shown.stderr.replace(".venv/bin/", "").splitlines()


def test_ci_runs_the_first_block_as_it_is_printed() -> None:
    (first, *_) = PAGE.blocks("sh")

    extracted = run_shell("source .ci/stages.sh; page_command CONTRIBUTING.md 1", ROOT)

    assert extracted == first
    assert first.count("\n") == 5
    assert 'bash -ec "$(page_command CONTRIBUTING.md 1)"' in CI


def test_every_environment_of_tox_that_is_named_exists_and_runs_in_ci() -> None:
    texts = [PAGE.text, (ROOT / "Justfile").read_text("utf-8"), (ROOT / "docs" / "testing.md").read_text("utf-8")]
    named = set.union(*map(environments, texts)) - {"py312"}
    loops = re.findall(r"^ *for name in (.+); do", CI, re.MULTILINE)
    stages = {name for names in loops for name in names.split()} | environments(CI)

    assert {name for name in named if f"testenv:{name}" not in TOX} == set()
    assert named - stages - set(TOX["tox"]["env_list"].split(", ")) <= BY_HAND | {"soak"}


def test_every_recipe_has_a_description() -> None:
    assert [name for name, recipe in recipes().items() if not recipe["doc"]] == []


def test_the_recipes_of_the_page_exist() -> None:
    rows = PAGE.table("To")
    lines = [row[1].strip("`").split()[1:] for row in rows if "/just" in row[1]]
    assert len(lines) >= 4

    for words in lines:
        assert recipe_commands(*words)


def test_the_recipe_for_setup_installs_what_the_page_says() -> None:
    documented = PAGE.blocks("sh")[0].replace(".venv/bin/pip", ".venv/bin/python -m pip").replace(" && ", "\n")

    shown = subprocess.run([JUST, "--dry-run", "setup"], cwd=ROOT, capture_output=True, text=True, check=True).stderr

    assert documented.startswith(shown)


def test_the_recipe_for_checking_runs_what_ci_runs() -> None:
    assert recipe_commands("check") == [
        command for environment in ("lint", "types") for command in tox_commands(environment) if command
    ]


def test_the_recipe_for_tests_runs_the_tests_that_ci_runs() -> None:
    (command,) = recipe_commands("test", "tests/api")

    assert selection(command) == selection(tox_commands("py")[0])
    assert command.endswith(" tests/api")


def selection(command: str) -> set[str]:
    """Returns the markers that a command of pytest leaves out."""
    (expression,) = re.findall(r'-m "(.*?)"', command)
    return set(re.findall(r"\w+", expression)) - {"not", "and", "or"}


def test_the_hooks_of_pre_commit_run_what_ci_runs_without_a_network() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]

    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    assert [hook["entry"].removeprefix(".venv/bin/") for hook in repository["hooks"]] == recipe_commands("check")


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md")), ids=lambda path: path.stem)
def test_a_template_for_issues_has_its_front_matter(path: Path) -> None:
    _, matter, body = path.read_text("utf-8").split("---\n", 2)

    assert yaml.safe_load(matter).keys() == {"name", "about", "labels"}
    assert body.count("**") >= 6
