"""Deciding commits on the event loop, where a commit of many writes may take a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tasksvc.domain import codec
from tasksvc.domain.ledger import Decision, Ledger
from tasksvc.domain.writes import Commit, CommitResult, Entry, Result
from tasksvc.stores.turns import Turns

LARGE_TEXT = 64 * 1024
"""Characters of results that are decoded in turns: a batch of 8 MiB has as many."""


class Decided(NamedTuple):
    """What some commits came to."""

    outcomes: list[CommitResult | Exception]
    """One for each, in their order."""
    entries: list[Entry]
    """To be persisted, together or not at all."""


async def decide_all(ledger: Ledger, commits: Iterable[Commit], turns: Turns | None = None) -> Decided:
    """Decides commits in their order, each of which sees those before it, and stands or falls alone.

    `ledger` is brought up to date.  Others have their turn meanwhile, and must not change it.
    """
    outcomes: list[CommitResult | Exception] = []
    entries: list[Entry] = []
    turns = turns or Turns()
    for commit in commits:
        try:
            decision = await decide(ledger, commit, turns)
        except Exception as error:  # whatever it is, it is this commit's alone
            outcomes.append(error)
        else:
            made = decision.entries()
            ledger.apply(made)
            entries += made
            outcomes.append(decision.committed)
    return Decided(outcomes, entries)


async def decide(ledger: Ledger, commit: Commit, turns: Turns) -> Decision:
    """As Ledger.decide(), and lets others have their turn."""
    writes, at, idempotency_key = commit
    await turns.next()
    if len(writes) == 1:
        return ledger.decide(writes, at=at, idempotency_key=idempotency_key)
    steps = ledger.steps(writes, at=at, idempotency_key=idempotency_key)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            decision: Decision = end.value
            return decision
        await turns.next()


async def load_results(text: str, *, large: int = LARGE_TEXT) -> Sequence[Result]:
    """The results of an idempotency key, whose codec.results_to_json() was dumped as `text`.

    Lets others have their turn, if it has `large` characters.  Raises as codec.iterate_results() does.
    """
    if len(text) < large:
        return codec.results_from_json(codec.loads(text))
    results = []
    turns = Turns()
    for result in codec.iterate_results(text):
        results.append(result)
        await turns.next()
    return tuple(results)
