"""The states of a webhook, and which changes it wants."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tasksvc_webhooks.keys import lane_name
from tasksvc_webhooks.subscriptions import (
    Filter,
    Pause,
    Start,
    new_id,
    paused,
    pointed_elsewhere,
    replayed,
    resumed,
    webhook_from_json,
    webhook_to_json,
    with_workspaces,
)

from tasksvc import LOG_START, Position
from tasksvc.testing.samples import NOW, later
from webhooks.samples import change, webhook

OLD, NEW = Position("a1", 7), Position("a1", 90)


@pytest.mark.parametrize(
    ("filters", "kind", "fields", "matches"),
    [
        ({}, "created", {}, True),
        ({"types": ("created", "deleted")}, "created", {}, True),
        ({"types": ("created", "deleted")}, "updated", {}, False),
        ({"labels": ("red", "blue")}, "created", {"labels": ("blue", "green")}, True),
        ({"labels": ("red", "blue")}, "created", {"labels": ("green",)}, False),
        ({"list": "garden"}, "updated", {"list": "garden"}, True),
        ({"list": "garden"}, "updated", {"list": "kitchen"}, False),
        ({"list": "garden", "labels": ("red",)}, "updated", {"list": "garden"}, False),
        ({"list": "garden", "labels": ("red",)}, "deleted", {}, True),
        ({"list": "garden", "types": ("created",)}, "deleted", {}, False),
    ],
)
def test_a_filter_matches_what_a_change_left_and_every_deletion_of_a_wanted_type(
    filters: dict[str, Any], kind: str, fields: dict[str, Any], matches: bool
) -> None:
    assert Filter(**filters).matches(change(1, kind, **fields)) is matches


def test_a_record_gives_back_the_webhook() -> None:
    made = webhook(
        workspaces=None,
        filter=Filter(("created",), ("red",), "garden"),
        starts={"a": Start(3, NOW, OLD), "b": Start(2, NOW)},
        pause=Pause(NOW, "It answered 410.", None),
        scan="",
        created_by="anna",
        version=5,
    )

    read = webhook_from_json(made.id, json.loads(json.dumps(webhook_to_json(made))), 5)

    assert read == made


def test_a_pause_keeps_its_first_reason_and_where_to_look_for_lanes() -> None:
    first = paused(webhook(), Pause(NOW, "By anna.", "anna"), followed="t1")
    second = paused(first, Pause(later(1), "By ben.", "ben"), followed="t2")

    assert second == first
    assert (second.pause, second.scan) == (Pause(NOW, "By anna.", "anna"), "t1")


def test_a_webhook_that_was_never_looked_at_keeps_its_older_token_over_a_pause() -> None:
    assert paused(webhook(scan="t0"), Pause(NOW, "By anna.", "anna"), followed="t1").scan == "t0"


def test_a_resumed_webhook_has_all_attempts_and_goes_on_where_it_was() -> None:
    before = webhook()

    after = resumed(paused(before, Pause(NOW, "By anna.", "anna"), followed="t1"), at=later(5), followed="t9")

    assert (after.pause, after.round, after.scan) == (None, before.round + 1, "t1")
    assert after.starts == before.starts


def test_another_url_gives_all_attempts_again() -> None:
    before = webhook()

    after = pointed_elsewhere(before, "https://example.org/new", followed="t1")

    assert (after.url, after.round, after.scan) == ("https://example.org/new", before.round + 1, "t1")


# ---------------------------------------------------------------- starts


def test_a_replay_moves_one_workspace_and_leaves_the_others() -> None:
    before = webhook(workspaces=("a", "b"), starts={"a": Start(1, NOW, OLD), "b": Start(1, NOW, OLD)})

    after = replayed(before, LOG_START, ["a"], at=later(9))

    assert after.start_in("a") == Start(2, later(9), LOG_START)
    assert after.start_in("b") == Start(1, NOW, OLD)
    assert (after.numbers, after.round, after.scan) == (2, before.round + 1, "")


def test_a_replay_of_all_workspaces_replaces_the_starts_of_some() -> None:
    before = webhook(workspaces=None, starts={"a": Start(1, NOW, OLD)})

    after = replayed(before, later(-60), None, at=later(9))

    assert after.start_in("a") == after.start_in("never seen") == Start(2, later(-60))
    assert after.scan == ""


def test_a_workspace_that_is_added_begins_now_and_others_go_on() -> None:
    before = webhook(workspaces=("a", "b"), starts={"a": Start(1, NOW, OLD), "b": Start(1, NOW, OLD)})

    after = with_workspaces(before, ("b", "c"), {"c": NEW}, at=later(9), followed="t1")

    assert after.starts == {"b": Start(1, NOW, OLD), "c": Start(2, later(9), NEW)}
    assert (after.workspaces, after.numbers, after.scan) == (("b", "c"), 2, "t1")


def test_a_workspace_that_comes_back_begins_anew() -> None:
    before = webhook(workspaces=("a", "b"), starts={"a": Start(1, NOW, OLD), "b": Start(1, NOW, OLD)})

    without = with_workspaces(before, ("b",), {}, at=later(8), followed="t1")
    after = with_workspaces(without, ("a", "b"), {"a": NEW}, at=later(9), followed="t1")

    assert after.start_in("a").number > before.start_in("a").number
    assert after.start_in("a").position == NEW


def test_a_webhook_that_gets_all_workspaces_goes_on_with_those_that_it_had() -> None:
    before = webhook(workspaces=("a",), starts={"a": Start(1, NOW, OLD)})

    after = with_workspaces(before, None, {}, at=later(9), followed="t1")

    assert after.start_in("a") == Start(1, NOW, OLD)
    assert after.start_in("b").number == 2
    assert later(7) < after.start_in("b").at <= later(9)


def test_a_webhook_of_all_workspaces_that_gets_some_goes_on_with_them() -> None:
    before = webhook(workspaces=None, starts={}, begun=Start(1, NOW))

    after = with_workspaces(before, ("a", "b"), {}, at=later(9), followed="t1")

    assert after.starts == {"a": Start(1, NOW), "b": Start(1, NOW)}


def test_all_workspaces_again_changes_nothing() -> None:
    before = webhook(workspaces=None, starts={})

    assert with_workspaces(before, None, {}, at=later(9), followed="t1") == before


# ---------------------------------------------------------------- names


def test_an_id_is_random_and_safe_in_urls() -> None:
    ids = {new_id() for _ in range(100)}

    assert len(ids) == 100
    assert {len(each) for each in ids} == {25}
    assert all(each.isascii() and each.replace("-", "").replace("_", "").isalnum() for each in ids)


def test_the_key_of_a_lane_fits_whatever_the_workspace_is_called() -> None:
    names = {lane_name(new_id(), "w" * 100) for _ in range(2)} | {lane_name("wh_1", name) for name in ("a", "A")}

    assert len(names) == 4
    assert max(map(len, names)) <= 60
