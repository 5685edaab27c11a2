"""Keeps a local copy of all tasks of a running service, and proves it equal to the service's.

    python examples/sync_client.py [URL] [--copy FILE]            follows, until it is interrupted
    python examples/sync_client.py [URL] [--copy FILE] --prove    catches up, compares, and ends

The copy is a replica of tasksvc_client: an SQLite file that is right at every moment, whoever is killed when. It walks
the list, follows the change log, and walks again where the log doesn't go back far enough or the store has a new
generation. Writes that other programs queue in the file are sent.

A service that asks for a token gets the one in TASKSVC_TOKEN.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import os
import signal
import sys

from tasksvc_client import Client, NotTasksvc, Replica, TasksvcError, Unreachable, UnusableReplica

DEFAULT = "http://127.0.0.1:8000"
PROVE_SECONDS = 5.0
"""Seconds after which a proof gives up a request."""


async def follow(copy: Replica) -> None:
    """Keeps the copy equal to the service's tasks until SIGINT or SIGTERM, whatever fails."""
    following = asyncio.create_task(copy.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, following.cancel)
    try:
        await following
    except asyncio.CancelledError:
        say(f"ends with {copy.count()} tasks at {copy.position}")


async def prove(copy: Replica, client: Client) -> bool:
    """Returns whether the updated copy equals a fresh list at the same position of the change log."""
    await copy.sync()
    with Replica(":memory:", client) as fresh:
        await fresh.sync()
        await copy.sync(to=fresh.position)  # somebody may have written meanwhile
        ours, theirs = checksum(copy), checksum(fresh)
        same = ours == theirs and copy.position == fresh.position
        say(f"the copy at {copy.position}: {ours[0]} tasks, sha256 {ours[1]}")
        say(f"the service at {fresh.position}: {theirs[0]} tasks, sha256 {theirs[1]}")
    say("equal" if same else "NOT EQUAL")
    return same


def checksum(copy: Replica) -> tuple[int, str]:
    """Returns the number of tasks, and a SHA-256 over all of them, by id."""
    digest, tasks = hashlib.sha256(), copy.find()
    for task in tasks:
        digest.update(json.dumps(task.json, sort_keys=True).encode() + b"\n")
    return len(tasks), digest.hexdigest()


def say(text: str) -> None:
    print(text, flush=True)


async def run(url: str, path: str, *, only_prove: bool) -> bool:
    """Runs the client. Returns False if the proof failed."""
    deadline = PROVE_SECONDS if only_prove else 30.0
    async with Client(url, token=os.environ.get("TASKSVC_TOKEN"), deadline=deadline) as client:
        with Replica(path, client) as copy:
            if only_prove:
                return await prove(copy, client)
            await follow(copy)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", default=DEFAULT, metavar="URL", help="default %(default)s")
    parser.add_argument("--copy", default="tasks-copy.db", metavar="FILE", help="default %(default)s")
    parser.add_argument("--prove", action="store_true", help="catch up, compare with a fresh list, and end")
    settings = parser.parse_args()
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("tasksvc_client").setLevel(logging.INFO)
    try:
        equal = asyncio.run(run(settings.url, settings.copy, only_prove=settings.prove))
    except Unreachable:
        sys.exit(f"Nothing answers at {settings.url}. Start the service with: tasksvc")
    except UnusableReplica as error:
        sys.exit(f"The copy cannot be used: {error}")
    except NotTasksvc as error:
        sys.exit(f"{settings.url} wasn't answered by the service: {error}")
    except (TasksvcError, ValueError) as error:
        sys.exit(str(error))
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
