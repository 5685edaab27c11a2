"""A service that is killed while webhooks get deliveries, and what their targets got."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from http_client import Connection, NoAnswer, ask
from patience import until
from service_process import RunningService

from webhooks.receiver import Receiver

WORKSPACES = ("default", "w1", "w2", "w3", "w4")
ARGUMENTS = ("--store", "sqlite:///kept.db", "--log-format", "none", "--webhook-allow", "127.0.0.0/8")
TAKES_SECONDS = 0.05
"""How long a target takes to answer, so that most kills come while messages are under way."""


class Verdict(NamedTuple):
    """What the targets got altogether."""

    changes: int
    """Changes in all logs."""
    messages: int
    """Messages that all targets got."""
    missing: Sequence[str]
    disordered: Sequence[str]


class Writers:
    """Clients that create tasks in several workspaces, together a number of times a second."""

    def __init__(self, service: RunningService, rate: float) -> None:
        self._service, self._pause = service, len(WORKSPACES) / rate
        self.acknowledged = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def _write(self, workspace: str) -> None:
        while True:
            try:
                async with Connection(self._service.port) as connection:
                    while True:
                        path = f"/workspaces/{workspace}/tasks/"
                        answer = await connection.request("POST", path, {"description": "water"})
                        assert answer.status in (201, 503), answer
                        self.acknowledged += answer.status == 201
                        await asyncio.sleep(self._pause)
            except (NoAnswer, OSError):
                await asyncio.sleep(0.05)

    async def __aenter__(self) -> Writers:
        self._tasks = [asyncio.create_task(self._write(workspace)) for workspace in WORKSPACES]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for task in self._tasks:
            if not task.cancelled():
                task.result()


async def deliver_under_kills(
    folder: Path, receiver: Receiver, *, kills: int, webhooks: int, rate: float, dice: random.Random
) -> Verdict:
    """Kills a service again and again while webhooks get the changes of writers, and returns what they got.

    `rate` is that of creations a second.  The first webhook is of all workspaces, and each other one of one.
    """
    service = RunningService(*ARGUMENTS, folder=folder)
    receiver.seconds = {f"t{number}": TAKES_SECONDS for number in range(webhooks)}
    with service:
        of: dict[str, Sequence[str]] = {}
        for number in range(webhooks):
            workspaces = [WORKSPACES[number % len(WORKSPACES)]] if number else None
            document = {"url": receiver.url(f"t{number}"), "workspaces": workspaces}
            made = await asyncio.to_thread(ask, service.url, "POST", "/webhooks/", document)
            assert made.status == 201, made
            of[f"t{number}"] = workspaces or WORKSPACES
        async with Writers(service, rate) as writers:
            for _ in range(kills):
                acknowledged, messages = writers.acknowledged, len(receiver.messages)
                await until(lambda: writers.acknowledged > acknowledged + 5)  # noqa: B023  # it is called at once
                await until(lambda: len(receiver.messages) > messages + 5)  # noqa: B023
                await asyncio.sleep(dice.uniform(0.0, 1.0))
                await asyncio.to_thread(service.kill)
                await asyncio.to_thread(service.start)
        ends: dict[str, int] = {}
        while ends != (now := {name: await asyncio.to_thread(_last_seq, service, name) for name in WORKSPACES}):
            ends = now  # the last requests, which nobody waits for, may be done a moment later
            await _all_arrive(receiver, of, ends)
    return _judge(receiver, of, ends)


def _last_seq(service: RunningService, workspace: str) -> int:
    found = ask(service.url, "GET", f"/workspaces/{workspace}/tasks/?limit=1")
    return int(found.headers["x-change-seq"].rpartition("-")[2])


async def _all_arrive(receiver: Receiver, of: Mapping[str, Sequence[str]], ends: Mapping[str, int]) -> None:
    """Returns when each target has got the last change of each of its workspaces, or nothing arrives any more."""
    left = {(target, workspace) for target, workspaces in of.items() for workspace in workspaces if ends[workspace]}
    looked, quiet = 0, 0
    while left and quiet < 600:
        await asyncio.sleep(0.1)
        new = receiver.messages[looked:]
        quiet = 0 if new else quiet + 1
        looked += len(new)
        left -= {(each.target, each.workspace) for each in new if each.seq == ends[each.workspace]}


def _judge(receiver: Receiver, of: Mapping[str, Sequence[str]], ends: Mapping[str, int]) -> Verdict:
    missing, disordered = [], []
    got: dict[tuple[str, str], list[int]] = {}
    bodies: dict[tuple[str, int], Any] = {}
    for message in receiver.messages:
        got.setdefault((message.target, message.workspace), []).append(message.seq)
        if bodies.setdefault((message.workspace, message.seq), message.document) != message.document:
            disordered.append(f"{message.target} got another change {message.seq} of {message.workspace}.")
    for target, workspaces in of.items():
        for workspace in workspaces:
            seqs = got.get((target, workspace), [])
            if set(seqs) != set(range(1, ends[workspace] + 1)):
                lacking = sorted(set(range(1, ends[workspace] + 1)) - set(seqs))
                missing.append(f"{target} didn't get {lacking[:20]} of {ends[workspace]} changes of {workspace}.")
            # After a kill a target gets a part again, from a change that it had: never one before those before it.
            highest = 0
            for seq in seqs:
                if seq > highest + 1:
                    disordered.append(f"{target} got change {seq} of {workspace} after {highest}.")
                highest = max(highest, seq)
    return Verdict(sum(ends.values()), len(receiver.messages), missing, disordered)
