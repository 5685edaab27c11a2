"""Decides commits on the event loop without blocking it, since a commit of many writes may take a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tasksvc.domain.ledger import Decision, Ledger
from tasksvc.domain.writes import Commit, CommitResult, Entry, Result
from tasksvc.stores import codec
from tasksvc.stores.turns import Turns

LARGE_TEXT = 64 * 1024
"""The number of characters from which results are decoded in turns; those of a batch can have 8 MiB."""


class Decided(NamedTuple):
    """The outcomes of some commits, and what they change."""

    outcomes: list[CommitResult | Exception]
    """One outcome for each commit, in their order."""
    entries: list[Entry]
    """The entries to persist, all together or not at all."""


async def decide_all(ledger: Ledger, commits: Iterable[Commit], turns: Turns | None = None) -> Decided:
    """Decides commits in their order: each one sees those before it, and fails alone.

    This brings `ledger` up to date.  Other work on the event loop has its turn meanwhile, and must not change it.
    """
    entries: list[Entry] = []
    return Decided(await decide_each([(ledger, entries, commit) for commit in commits], turns), entries)


async def decide_each(
    commits: Iterable[tuple[Ledger, list[Entry], Commit]], turns: Turns | None = None
) -> list[CommitResult | Exception]:
    """Decides commits in several workspaces, as decide_all() does, and returns their outcomes.

    Each comes with the ledger of its workspace, and with a list to which its entries are added.
    """
    outcomes: list[CommitResult | Exception] = []
    turns = turns or Turns()
    for ledger, entries, commit in commits:
        try:
            decision = await decide(ledger, commit, turns)
        except Exception as error:  # whatever it is, it is this commit's alone
            outcomes.append(error)
        else:
            made = decision.entries()
            ledger.apply(made)
            entries += made
            outcomes.append(decision.committed)
    try:
        return outcomes
    finally:
        del outcomes  # an error keeps this frame by its traceback, and would keep itself and all that it refused


async def decide(ledger: Ledger, commit: Commit, turns: Turns) -> Decision:
    """Decides as Ledger.decide() does, and lets other work on the event loop have its turn."""
    writes, at, idempotency_key, tasks_max, by = commit
    await turns.next()
    if len(writes) == 1:
        return ledger.decide(writes, at=at, idempotency_key=idempotency_key, tasks_max=tasks_max, by=by)
    transaction = ledger.transaction(commit)
    for _ in transaction:
        await turns.next()
    return transaction.decision


async def load_results(data: bytes | str, *, large: int = LARGE_TEXT) -> Sequence[Result]:
    """Returns the results of an idempotency key that codec.dump_results() wrote as `data`.

    With a length of `large` or more, other work on the event loop has its turn meanwhile.  Raises as
    codec.load_results() does.
    """
    if len(data) < large:
        return codec.load_results(data)
    results = []
    turns = Turns()
    for result in codec.iterate_results(data if isinstance(data, str) else data.decode()):
        results.append(result)
        await turns.next()
    return tuple(results)
