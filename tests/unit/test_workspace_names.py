"""Names of workspaces, and the generations that they have in each epoch of a store."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import (
    WORKSPACE_NAME_MAX,
    InvalidWorkspaceName,
    check_workspace_name,
    effective_generation,
    is_workspace_name,
)
from unit import strategies as some


@given(some.workspace_names)
def test_unreserved_characters_are_a_name(name: str) -> None:
    assert is_workspace_name(name)
    check_workspace_name(name)


@pytest.mark.parametrize("name", ["a", "...", ".a", "~", "-", "_", "0", "default", "x" * WORKSPACE_NAME_MAX])
def test_names_may_look_like_this(name: str) -> None:
    assert is_workspace_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "a b", "a\n", "\n", "ä", "ａ", "٣", "%41", "a?", "a\0", "x" * (WORKSPACE_NAME_MAX + 1)],
)
def test_another_text_is_no_name_and_is_named_in_the_error(name: str) -> None:
    assert not is_workspace_name(name)
    with pytest.raises(InvalidWorkspaceName, match="cannot be the name of a workspace"):
        check_workspace_name(name)


@given(st.text())
def test_a_name_is_one_segment_of_a_path_as_it_is(name: str) -> None:
    assert is_workspace_name(name) is bool(
        re.fullmatch(r"[A-Za-z0-9._~-]{1,100}", name, re.ASCII) and name not in (".", "..")
    )


def test_an_error_of_a_long_text_is_short() -> None:
    with pytest.raises(InvalidWorkspaceName) as refused:
        check_workspace_name("x" * 100_000)

    assert len(str(refused.value)) < 400


def test_a_generation_holds_in_the_epoch_that_it_was_given_in() -> None:
    assert effective_generation("life", "epoch", "epoch") == "life"
    assert effective_generation("life", "", "") == "life"


def test_a_newer_epoch_gives_another_generation_to_each_workspace() -> None:
    found = [effective_generation(life, epoch, newer) for life in ("a", "b") for epoch in ("", "e") for newer in "fgh"]

    assert len(set(found)) == 6, "the epoch in which a generation was given doesn't count"
    assert all(re.fullmatch("[0-9a-f]{16}", generation) for generation in found)
    assert not {"a", "b"} & set(found)


def test_a_workspace_that_is_not_made_has_no_generation_in_any_epoch() -> None:
    assert effective_generation("", "", "epoch") == effective_generation("", "old", "new") == ""
