"""Measures how long a person waits for `tasksvc ls`, beside a Python that does nothing.

    python benchmarks/command_line.py              # about half a minute

The commands take turns, and the difference is taken within a round.  The service has a hundred tasks, and runs while
they are measured.  --limit-ms fails if the difference is larger.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import machine
from tasksvc_client import Create, SyncClient

TASKS = 100
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "tasksvc --version": [str(Path(sys.executable).with_name("tasksvc")), "--version"],
    "tasksvc ls": [str(Path(sys.executable).with_name("tasksvc")), "ls"],
}


def milliseconds(words: list[str], environment: dict[str, str]) -> float:
    """Returns how long a command takes."""
    began = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment)
    return (time.perf_counter() - began) * 1e3


def measure(url: str, rounds: int, home: str) -> list[list[float]]:
    """Returns the milliseconds of each command in each round."""
    with SyncClient(url) as client:
        client.batch([Create(f"Task {number}", labels=["measured"], priority=number % 10) for number in range(TASKS)])
    environment = {**os.environ, "TASKSVC_URL": url, "XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for words in COMMANDS.values():  # Python keeps what it compiles
        milliseconds(words, environment)
    return [[milliseconds(words, environment) for words in COMMANDS.values()] for _ in range(rounds)]


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--limit-ms", type=float)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        serve = [sys.executable, "-m", "tasksvc", "--port", "0", "--store", "memory:", "--log-format", "none"]
        with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, cwd=home) as service:
            assert service.stdout is not None
            try:
                url = next(line for line in service.stdout if "/tasks/" in line).split()[1].removesuffix("/tasks/")
                measured = measure(url, arguments.rounds, home)
            finally:
                service.terminate()
    print(f"{machine()}; {arguments.rounds} rounds.\n\n| | median (range) |\n|---|---|")
    rows = dict(zip(COMMANDS, zip(*measured, strict=True), strict=True))
    rows["tasksvc ls, more than python -c pass"] = tuple(one[-1] - one[0] for one in measured)
    for name, values in rows.items():
        print(f"| {name} | {statistics.median(values):.0f} ms ({min(values):.0f} to {max(values):.0f}) |")
    difference = statistics.median(values)
    if arguments.limit_ms is not None and difference > arguments.limit_ms:
        sys.exit(f"{difference:.0f} ms are more than {arguments.limit_ms:.0f} ms.")


if __name__ == "__main__":
    main()
