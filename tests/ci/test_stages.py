"""The stages of a CI run: what is repeated, what is reported, and what fails the run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from service_process import unmeasured

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BASH = shutil.which("bash") or "bash"

COIN = """
from pathlib import Path

def test_coin():
    tossed = Path(FILE)
    heads = tossed.exists()
    tossed.touch()
    assert heads

def test_good():
    pass
"""
"""A test that fails the first time it is run."""

BAD = """
def test_bad():
    assert False
"""

SKIPPED = """
import pytest

@pytest.mark.skip(reason="there is no browser")
def test_skipped():
    pass
"""


class Run(NamedTuple):
    """The outcome of a run of stages."""

    status: int
    lines: list[str]


class Stages:
    """A run of stages in a folder with test files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._script = [f"cd {folder}", f"source {ROOT}/.ci/stages.sh"]

    def tests(self, name: str, code: str) -> str:
        """Creates a file of tests and returns the command that runs it and records that it was run."""
        (self._folder / f"test_{name}.py").write_text(code.replace("FILE", f"'{name}.tossed'"))
        pytest = shlex.join([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"test_{name}.py"])
        return self.script(name, f'echo "$@" >>{name}.runs; {pytest}')

    def script(self, name: str, code: str) -> str:
        """Creates a program and returns its name."""
        path = self._folder / name
        path.write_text(f"#!{BASH}\n{code}\n")
        path.chmod(0o700)
        return f"./{name}"

    def stage(self, name: str, command: str, seconds: int = 120) -> None:
        self._script.append(f"stage {name} {seconds} {command}")

    def beside(self, *stages: tuple[str, str]) -> None:
        """Adds stages in the background, with their names and commands."""
        lane = "; ".join(f"stage {name} 120 {command}" for name, command in stages)
        self._script += [f"lane() {{ {lane}; }}", "begin_beside lane"]

    def join(self) -> None:
        self._script.append("join_beside")

    def runs(self, name: str) -> list[str]:
        """Returns the options of each run of the tests of that name."""
        return (self._folder / f"{name}.runs").read_text().splitlines()

    def run(self) -> Run:
        done = subprocess.run(
            [BASH, "-c", "\n".join([*self._script, "report"])],
            env=unmeasured({**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),  # they take long to load
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.stderr == ""
        return Run(done.returncode, done.stdout.splitlines())


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path)


def test_a_run_in_which_all_passes_says_how_long_each_stage_took_and_what_pytest_said_last(stages: Stages) -> None:
    stages.stage("good", stages.tests("good", "def test_good(): pass"))
    stages.stage("audit", "true")

    run = stages.run()

    assert run.status == 0
    end = run.lines[run.lines.index("=== times") :]
    assert [line.split()[::3] for line in end[1:4]] == [["good", "passed"], ["audit", "passed"], ["total"]]
    assert any(line.startswith("good.1: ===") and "1 passed in " in line for line in end)
    assert end[-1] == "all passed"


def test_a_test_that_passes_on_the_second_try_is_named_in_the_last_lines(stages: Stages) -> None:
    stages.stage("tests", f"{stages.tests('coin', COIN)} some options")

    run = stages.run()

    assert run.status == 0
    assert "passed on the second try: test_coin.py::test_coin, in tests" in run.lines[-5:]
    assert stages.runs("coin") == ["some options"] * 2, "the same command with the same options"


def test_a_test_that_needs_the_second_try_in_two_stages_fails_the_run(stages: Stages) -> None:
    command = stages.tests("coin", COIN)
    stages.stage("one", command)
    stages.stage("forget", "rm coin.tossed")
    stages.stage("two", command)

    run = stages.run()

    assert run.status == 1
    assert run.lines[-1] == "FAILED: test_coin.py::test_coin, which needed the second try in two environments"


def test_a_test_that_needs_the_second_try_in_two_environments_of_tox_fails_the_run(stages: Stages) -> None:
    summary = "echo ==== short test summary info ====; echo 'FAILED tests/test_a.py::test_x[a b] - assert 1 == 2'"
    end = "echo ==== 1 failed, 1 passed in 0.01s ===="
    environments = "".join(f"echo '{name}: commands[0]> pytest'; {summary}; {end};" for name in ("py", "example"))
    stages.stage("tests", stages.script("twice", f"{environments} test -e tried || ! touch tried"))

    run = stages.run()

    assert run.status == 1
    assert "passed on the second try: tests/test_a.py::test_x[a b], in tests/py" in run.lines
    assert "passed on the second try: tests/test_a.py::test_x[a b], in tests/example" in run.lines
    assert run.lines[-1] == "FAILED: tests/test_a.py::test_x[a b], which needed the second try in two environments"


def test_different_tests_that_need_a_second_try_do_not_fail_the_run(stages: Stages) -> None:
    for name in ("coin", "dice"):
        stages.stage(name, stages.tests(name, COIN))

    run = stages.run()

    assert run.status == 0
    assert [line for line in run.lines if line.startswith("passed on the second try: ")] == [
        "passed on the second try: test_coin.py::test_coin, in coin",
        "passed on the second try: test_dice.py::test_coin, in dice",
    ]


def test_a_failure_outside_a_test_is_repeated_and_named_too(stages: Stages) -> None:
    tox = "echo '  lint: FAIL code 1 (0.12=setup[0.10]+cmd[0.02] seconds)'; test -e tried || ! touch tried"
    stages.stage("tests", stages.script("tox", tox))

    run = stages.run()

    assert run.status == 0
    assert "passed on the second try: (no test of tests/lint), in tests/lint" in run.lines


def test_a_test_that_fails_twice_fails_the_run_and_the_other_stages_are_run_all_the_same(stages: Stages) -> None:
    stages.stage("bad", stages.tests("bad", BAD))
    stages.stage("good", stages.tests("good", "def test_good(): pass"))

    run = stages.run()

    assert run.status == 1
    assert stages.runs("bad") == ["", ""]
    assert stages.runs("good") == [""]
    assert run.lines[-1] == "FAILED: bad"


@pytest.mark.parametrize("code", [SKIPPED, ""], ids=["all are skipped", "there are none"])
def test_a_stage_in_which_no_test_passed_fails_the_run(stages: Stages, code: str) -> None:
    stages.stage("browser", stages.tests("none", code))

    run = stages.run()

    assert run.status == 1
    assert run.lines[-1] == "FAILED: browser"


def test_a_stage_that_takes_too_long_is_ended_and_fails_the_run(stages: Stages) -> None:
    stages.stage("endless", "sleep 3600", seconds=1)

    run = stages.run()

    assert run.status == 1
    assert run.lines[-1] == "FAILED: endless"


MEET = """
echo {mine} begins; touch {mine}.here
until test -e {other}.here; do sleep 0.05; done
echo {mine} ends
"""
"""A program that ends only if another one runs at the same time."""


def test_stages_in_the_background_run_beside_the_others_and_are_printed_in_one_piece(stages: Stages) -> None:
    stages.beside(("one", stages.script("first", MEET.format(mine="first", other="second"))), ("two", "echo then"))
    stages.stage("three", stages.script("second", MEET.format(mine="second", other="first")))
    stages.join()

    run = stages.run()

    assert run.status == 0
    shown = [line for line in run.lines[: run.lines.index("=== times")] if line and line[:3] != "==="]
    assert shown == ["second begins", "second ends", "first begins", "first ends", "then"]
    names = [line.split()[0] for line in run.lines[run.lines.index("=== times") + 1 :][:4]]
    assert names == ["three", "one", "two", "total"]


def test_a_stage_in_the_background_that_fails_twice_fails_the_run(stages: Stages) -> None:
    stages.beside(("bad", stages.tests("bad", BAD)), ("good", stages.tests("good", "def test_good(): pass")))
    stages.join()

    run = stages.run()

    assert run.status == 1
    assert stages.runs("bad") == ["", ""]
    assert stages.runs("good") == [""]
    assert run.lines[-1] == "FAILED: bad"


def test_a_test_that_needs_the_second_try_in_the_background_too_fails_the_run(stages: Stages) -> None:
    command = stages.tests("coin", COIN)
    stages.beside(("one", command), ("forget", "rm coin.tossed"))
    stages.join()
    stages.stage("two", command)

    run = stages.run()

    assert run.status == 1
    assert run.lines[-1] == "FAILED: test_coin.py::test_coin, which needed the second try in two environments"
