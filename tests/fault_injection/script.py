"""A fixed script of writes, and the states that a store may have after each response."""

from __future__ import annotations

from typing import Any, NamedTuple

from http_client import Answer, ask

State = frozenset[str]
"""The descriptions of all tasks of a store."""


class Step(NamedTuple):
    """One write of the script."""

    method: str
    path: str
    """The path, with the description of a task in braces in place of its id."""
    document: Any
    gone: State
    new: State

    @property
    def headers(self) -> dict[str, str]:
        """The headers that make it safe to repeat."""
        return {"Idempotency-Key": "/".join(sorted(self.new))[:200]} if self.method == "POST" else {}

    def after(self, state: State) -> State:
        return (state - self.gone) | self.new


def create(description: str) -> Step:
    return Step("POST", "/tasks/", {"description": description}, frozenset(), frozenset([description]))


def batch(*descriptions: str) -> Step:
    operations = [{"op": "create", "task": {"description": description}} for description in descriptions]
    return Step("POST", "/tasks/batch", operations, frozenset(), frozenset(descriptions))


def change(old: str, new: str) -> Step:
    return Step("PATCH", f"/tasks/{{{old}}}", {"description": new}, frozenset([old]), frozenset([new]))


def delete(description: str) -> Step:
    return Step("DELETE", f"/tasks/{{{description}}}", None, frozenset([description]), frozenset())


SCRIPT = [
    create("first"),
    create("second"),
    create("long".ljust(10_000, ".")),
    change("first", "changed"),
    batch(*(f"batch {n}".ljust(2_000, ".") for n in range(20))),
    delete("second"),
    create("third"),
    batch("pair 1", "pair 2"),
    change("third", "third, changed"),
    create("fourth"),
    delete("pair 1"),
    create("last"),
]


class Outcome(NamedTuple):
    """What happened to the script's requests, and what they leave possible."""

    possible: set[State]
    """The states that the store may have now."""
    statuses: list[int]
    wrong: list[str]
    """Responses that no client could make sense of."""


def run_script(url: str, prefix: str = "") -> Outcome:
    """Sends the script once, to paths with `prefix`, and reads everything after each step."""
    possible, statuses, wrong = {State()}, list[int](), list[str]()
    ids: dict[str, int] = {}
    for step in SCRIPT:
        path = step.path
        if "{" in path:
            name = path[path.index("{") + 1 : -1]
            if name not in ids:
                continue
            path = f"/tasks/{ids[name]}"
        answer = ask(url, step.method, prefix + path, step.document, step.headers)
        statuses.append(answer.status)
        refused = {state for state in possible if step.gone <= state}
        done = {step.after(state) for state in refused}
        if answer.status < 300:
            possible = done
        elif answer.status == 503 and answer.document.get("outcome") == "unknown":
            possible |= done
        elif answer.status not in (503, 507) or answer.document.get("outcome") != "not-done":
            wrong.append(f"{step.method} {path}: {answer.status} {answer.body[:200]!r}")
        tasks = ask(url, "GET", f"{prefix}/tasks/")
        if tasks.status != 200:
            wrong.append(f"GET /tasks/: {tasks.status} {tasks.body[:200]!r}")
            continue
        ids = {task["description"]: task["id"] for task in tasks.document}
        if State(ids) not in possible or len(ids) != len(tasks.document):
            wrong.append(f"GET /tasks/ after {step.method} {path}: {shown(ids)}")
    return Outcome(possible, statuses, wrong)


def shown(state: Any) -> str:
    """Returns a state in a form that is readable in a failure."""
    return ", ".join(sorted(description.rstrip(".") for description in state))


def repeat_creations(url: str, prefix: str = "") -> list[Answer]:
    """Sends all requests that create tasks again, to paths with `prefix`, under the same idempotency keys."""
    creations = [step for step in SCRIPT if step.method == "POST"]
    return [ask(url, step.method, prefix + step.path, step.document, step.headers) for step in creations]
