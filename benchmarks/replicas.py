"""How far a second replica gets on one PostgreSQL server.

    python benchmarks/replicas.py --postgresql URL              # about four minutes
    python benchmarks/replicas.py --postgresql URL --share 0.25

First one replica is measured and then two on the same store, each with a load (wrk) of its own; the
server of the URL is on this machine.  Ratios are taken within a round.

What the cores allow: a replica alone fills one, and its part of the database and its load another half, so
two replicas need three or four.  On two cores the ratio without --share tells of the cores alone.
With --share each replica gets that much of a core, whether there are one or two, and what is left
is for the database and the load; the ratio then tells what replicas take from each other.  The CPU
time of a request, the replicas' and the database's, tells the same: where it stays as it was, twice
the replicas do twice the work for as long as there are cores.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from run import ROWS, Database, Server, Target, in_schema, machine, wrk

STEP = 0.001
"""Seconds between two looks at the CPU time of a process."""


def main() -> None:
    """Measures all rounds and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", required=True, help="a store URL without ?schema=")
    parser.add_argument("--scenarios", default=",".join(ROWS), help="of get, create, list, mixed")
    parser.add_argument("--connections", type=int, default=32, help="to each replica")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.0, help="of a core, for each replica; all they want if 0")
    arguments = parser.parse_args()
    database = Database(arguments.postgresql)
    share = f"{arguments.share:g} of a core for each replica" if arguments.share else "no limit to a replica's share"
    print(f"{machine()}; {share}; {arguments.rounds} rounds of {arguments.seconds} s.\n")
    print("| | one, requests/s | two, requests/s | two to one | p99 ms | replicas' CPU us | database's CPU us |")
    print("|---|---|---|---|---|---|---|")
    for scenario in arguments.scenarios.split(","):
        rounds = [one_round(arguments, scenario, database, number) for number in range(arguments.rounds)]
        ratios = [two["rate"] / one["rate"] for one, two in rounds]
        one, two = (
            {key: statistics.median(run[which][key] for run in rounds) for key in rounds[0][0]} for which in (0, 1)
        )
        print(
            f"| {scenario} | {one['rate']:,.0f} | {two['rate']:,.0f}"
            f" | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            f" | {one['p99']:.1f}, {two['p99']:.1f} | {one['cpu']:.0f}, {two['cpu']:.0f}"
            f" | {one['database']:.0f}, {two['database']:.0f} |",
            flush=True,
        )


def one_round(
    arguments: argparse.Namespace, scenario: str, database: Database, number: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Measures one replica and then two."""
    url = in_schema(arguments.postgresql, f"replicas_{os.getpid()}_{scenario}_{number}")
    target = Target(f"{{python}} -m tasksvc --port {{port}} --store {url}")
    found = []
    with ExitStack() as running:
        replicas: list[Server] = []
        for name in ("one replica", "two replicas"):
            replicas.append(running.enter_context(Server(name, target, "", ready="/health/live")))
            os.sched_setaffinity(replicas[-1].process.pid, range(os.cpu_count() or 1))
            if len(replicas) == 1:
                first = replicas[0].load(ROWS[scenario])
            measure(replicas, scenario, first, arguments, database, seconds=1)
            found.append(measure(replicas, scenario, first, arguments, database, seconds=arguments.seconds))
    one, two = found
    return one, two


def measure(
    replicas: Sequence[Server],
    scenario: str,
    first: int,
    arguments: argparse.Namespace,
    database: Database,
    *,
    seconds: int,
) -> dict[str, float]:
    """Runs the load once on all replicas at the same time."""

    def run(replica: Server) -> dict[str, int]:
        return wrk(replica, scenario, arguments.connections, seconds, first)

    with held_to([replica.process.pid for replica in replicas], arguments.share):
        own, others = sum(replica.cpu() for replica in replicas), database.cpu()
        with ThreadPoolExecutor(len(replicas)) as pool:
            runs = list(pool.map(run, replicas))
        own, others = sum(replica.cpu() for replica in replicas) - own, database.cpu() - others
    assert not any(one["refused"] + one["broken"] for one in runs), runs
    requests = sum(one["requests"] for one in runs)
    return {
        "rate": sum(one["requests"] / one["microseconds"] * 1e6 for one in runs),
        "p99": max(one["p99"] for one in runs) / 1e3,
        "cpu": own / requests * 1e6,
        "database": others / requests * 1e6,
    }


@contextmanager
def held_to(pids: Sequence[int], share: float) -> Iterator[None]:
    """Stops each process for as long as it has had more than its share of a core."""
    done = threading.Event()

    def hold() -> None:
        began, before = time.monotonic(), {pid: cpu_seconds(pid) for pid in pids}
        stopped = dict.fromkeys(pids, False)
        while not done.wait(STEP):
            for pid in pids:
                is_over = cpu_seconds(pid) - before[pid] > share * (time.monotonic() - began)
                if is_over != stopped[pid]:
                    os.kill(pid, signal.SIGSTOP if is_over else signal.SIGCONT)
                    stopped[pid] = is_over

    holder = threading.Thread(target=hold)
    if share:
        holder.start()
    try:
        yield
    finally:
        done.set()
        if share:
            holder.join()
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process's main thread, more finely than Server.cpu()."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


if __name__ == "__main__":
    main()
