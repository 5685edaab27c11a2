"""Measures how long it takes from the start of the process to its first response.

    python benchmarks/starting.py                  # about a minute

tasksvc with a new file and its peer in FastAPI take turns; the ratio is taken within a round. Then `import tasksvc` and
`tasksvc --version` are measured beside a Python that does nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from run import TARGETS, TASKSVC, Server, machine

PEER = "FastAPI + SQLAlchemy"
COMMANDS = {
    "python": ["-c", "pass"],
    "import tasksvc": ["-c", "import tasksvc"],
    "tasksvc --version": ["-m", "tasksvc", "--version"],
}


def first_answer(name: str) -> float:
    """Returns the milliseconds until the first response."""
    began = time.perf_counter()
    with Server(name, TARGETS[name], ""):
        return (time.perf_counter() - began) * 1e3


def command(*words: str) -> float:
    """Returns the milliseconds until a command has ended."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1e3


def row(name: str, values: list[float], unit: str) -> None:
    """Returns a line of the table."""
    digits = 0 if unit else 2
    middle, least, most = (f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    print(f"| {name} | {middle}{unit} ({least} to {most}) |")


def main() -> None:
    """Measures all starts and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    first_answer(TASKSVC), first_answer(PEER)  # Python keeps what it compiles
    starts = [(first_answer(TASKSVC), first_answer(PEER)) for _ in range(rounds)]
    commands = [[command(*words) for words in COMMANDS.values()] for _ in range(rounds)]
    print(f"{machine()}; {rounds} rounds.\n\n| | median (range) |\n|---|---|")
    row(f"{TASKSVC}, first answer", [own for own, _ in starts], " ms")
    row(f"{PEER}, first answer", [peer for _, peer in starts], " ms")
    row("ratio", [own / peer for own, peer in starts], "")
    for name, values in zip(COMMANDS, zip(*commands, strict=True), strict=True):
        row(name, list(values), " ms")
    row("import tasksvc, without the start of Python", [one[1] - one[0] for one in commands], " ms")


if __name__ == "__main__":
    main()
