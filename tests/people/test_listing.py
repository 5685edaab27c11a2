"""tasksvc ls, lists and log."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from tasksvc_client import Create

from people.person import Person


@pytest.fixture
def garden(ann: Person) -> Person:
    """A user with some tasks."""
    ann.tasks.batch(
        [
            Create("Water the plants", due_on="2030-12-02", labels=["home", "green"], priority=7),
            Create("Buy milk", list="groceries", notes="two litres"),
            Create("Call", due_at="2030-12-02T22:30:00Z", priority=3),
            Create("Old", done=True, labels=["home"]),
            Create("Weed", parent_id=1, due_on="2029-01-01"),
        ]
    )
    return ann


def ids(printed: str) -> list[int]:
    return [int(line.partition("\t")[0]) for line in printed.splitlines()]


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        ([], [5, 1, 3, 2]),
        (["--done"], [4]),
        (["--all"], [5, 1, 3, 2, 4]),
        (["--list", "groceries"], [2]),
        (["-l", "home", "-l", "green"], [1]),
        (["--label", "home", "-a"], [1, 4]),
        (["-p", "4"], [1]),
        (["--due-before", "2030-12-02"], [5]),
        (["--due-before", "2030-12-02 23:00"], [5]),
        (["--due-before", "2030-12-03"], [5, 1, 3]),
        (["--due-after", "2030-12-01"], [1, 3]),
        (["--due-after", "2030-12-02"], []),
        (["--parent", "1"], [5]),
        (["LITRES"], [2]),
        (["the", "plants"], [1]),
        (["-q", "plants"], [1]),
        (["--sort", "priority"], [1, 3, 5, 2]),
        (["--sort", "id", "--reverse"], [5, 3, 2, 1]),
        (["--sort", "created", "--limit", "2"], [5, 3]),
    ],
)
def test_options_say_which_tasks_and_in_which_order(words: list[str], listed: list[int], garden: Person) -> None:
    assert ids(garden("ls", *words).stdout) == listed


def test_for_other_programs_it_is_a_line_with_tabs_and_nothing_is_cut(ann: Person) -> None:
    text = "x" * 5_000 + "\n\ty"
    ann.tasks.create(text, due_at="2030-12-02T17:00:00Z", labels=["b", "a"], priority=2, list="l")

    printed = ann.says("ls")

    assert printed == f"1\t\t2030-12-02 18:00\t2\tl\ta,b\t{'x' * 5_000}␊␉y\n"


def test_json_is_one_array_by_id_as_the_api_gives_it(garden: Person) -> None:
    printed = garden.says("ls", "--json", "--all")

    assert json.loads(printed) == [task.json for task in garden.tasks.find(sort="id")]
    assert json.loads(garden.says("ls", "--json", "nothing like that")) == []


def test_csv_can_be_read_and_holds_no_formula(ann: Person) -> None:
    texts = ["=1+1", "+1", "-1", "@x", 'He said "a, b"\nand left', "plain"]
    ann.tasks.batch([Create(text, labels=["a", "b"], metadata={"room": 4}) for text in texts])

    rows = list(csv.DictReader(io.StringIO(ann.says("ls", "--csv"))))

    assert [row["description"] for row in rows] == ["'=1+1", "'+1", "'-1", "'@x", *texts[4:]]
    assert (rows[0]["labels"], rows[0]["metadata"], rows[0]["done"], rows[0]["due_on"]) == (
        "a,b",
        '{"room": 4}',
        "false",
        "",
    )


def test_an_empty_list_says_so_beside_the_output(ann: Person) -> None:
    done = ann("ls")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "There are no open tasks.\n")
    assert ann("ls", "-l", "x").stderr == "There are no such open tasks.\n"


def test_more_tasks_than_a_page_has_are_listed(ann: Person) -> None:
    ann.tasks.batch([Create(f"Task {number}") for number in range(1_000)])
    ann.tasks.batch([Create(f"Task {number}") for number in range(500)])

    assert ids(ann.says("ls", "--sort", "id")) == list(range(1, 1_501))


def test_lists_are_shown_with_their_numbers(garden: Person) -> None:
    assert garden.says("lists") == "groceries\t1\t1\ninbox\t3\t4\n"
    assert json.loads(garden.says("lists", "--json"))[0] == {"name": "groceries", "open": 1, "total": 1}


def test_the_log_says_in_words_what_happened(ann: Person) -> None:
    ann.says("add", "Water the plants", "-l", "home")
    ann.says("edit", "1", "--due", "2030-12-02", "-p", "3", "--unlabel", "home", "-l", "green", "--list", "garden")
    ann.says("done", "1")
    ann.says("reopen", "1")
    ann.says("edit", "1", "--description", "Water all plants", "--due", "none", "-n", "x")
    ann.says("rm", "1")
    ann.says("undo")

    lines = [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?  ", "", line) for line in ann.says("log").splitlines()]

    assert lines == [
        "1 created  Water the plants",
        "1 due Mon 2030-12-02, priority 0 → 3, +@green -@home, moved from inbox to garden  Water the plants",
        "1 done  Water the plants",
        "1 reopened  Water the plants",
        "1 renamed from 'Water the plants', not due, notes  Water all plants",
        "1 deleted  Water all plants",
        "1 created  Water all plants",
    ]
    assert ann.says("log", "1").splitlines()[0].endswith("1 created  Water the plants")
    assert ann.says("log", "--limit", "1").count("\n") == 1


def test_the_latest_changes_are_said_although_what_was_before_is_not_shown(ann: Person) -> None:
    ann.says("add", "Water")
    ann.says("edit", "1", "-p", "3")
    ann.says("rm", "1")
    ann.says("add", "Other")

    lines = ann.says("log", "--limit", "3").splitlines()

    assert [line.partition("  ")[2] for line in lines] == [
        "1 priority 0 → 3  Water",
        "1 deleted  Water",
        "2 created  Other",
    ]
