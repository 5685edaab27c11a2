"""Every code block in the documentation is valid in its language, and a test runs it or says why none does."""

from __future__ import annotations

import ast
import configparser
import importlib
import itertools
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path, PurePath
from typing import NamedTuple

import pytest
import yaml
from pages import MARKDOWN, ROOT
from service_process import run_here

from docs.reader import BASH

RUN: Mapping[str, Mapping[str, str]] = {
    "README.md": {"": "tests/test_readme.py"},
    "CONTRIBUTING.md": {"": "tests/docs/test_contributing.py"},
    "docs/adapters.md": {
        "A whole adapter": "tests/docs/test_adapters_page.py",
        "A commit": "tests/docs/test_reading_page.py",
        "A store behind a network": "tests/docs/test_network_page.py",
        "What the hook must do": "examples/tasksvc_jsonl/tasksvc_jsonl.py",
    },
    "docs/api.md": {"": "tests/docs/test_commands.py"},
    "docs/architecture.md": {"": ""},
    "docs/calendar.md": {"": "tests/calendars/test_page.py"},
    "docs/client.md": {"": "tests/client/test_page.py"},
    "docs/clients.md": {"": "tests/docs/test_commands.py"},
    "docs/command_line.md": {"": "tests/people/test_page.py"},
    "docs/deployment.md": {
        "systemd": "tests/deployment/test_systemd.py",
        "One container": "tests/deployment/test_image.py",
        "Two replicas and a balancer": "tests/deployment/test_compose.py",
    },
    "docs/embedding.md": {"": "tests/docs/test_commands.py"},
    "docs/moving.md": {"": "tests/formats/test_page.py"},
    "docs/mcp.md": {"Install it": "", "Put it into a host": "tests/mcp_server/test_page.py"},
    "docs/operations.md": {
        "File permissions": "tests/docs/test_commands.py",
        "Backup and restore": "tests/docs/test_commands.py",
        "Restoring a file by other means": "tests/docs/test_commands.py",
        "Moving to another store": "tests/docs/test_commands.py",
        "Exports": "tests/docs/test_commands.py",
        "Workspaces": "tests/docs/test_commands.py",
        "Tokens and a store that is served": "tests/docs/test_commands.py",
        "Checking": "tests/docs/test_commands.py",
    },
    "docs/performance.md": {"Measure it again": ""},
    "docs/plugins.md": {"": "tests/docs/test_plugins_page.py"},
    "docs/postgresql.md": {"": "tests/stores/postgresql/test_postgresql_page.py"},
    "docs/proxies.md": {"": "tests/docs/test_commands.py", "Below a path": "tests/proxies/conftest.py"},
    "docs/replica.md": {"": "tests/client_replica/test_page.py"},
    "docs/streaming.md": {"": "tests/browser/test_streams.py"},
    "docs/tokens.md": {"": "tests/docs/test_commands.py"},
    "docs/upgrading.md": {
        "systemd": "tests/deployment/test_systemd.py",
        "Containers": "tests/deployment/test_compose.py",
        "Migrate by hand": "tests/docs/test_commands.py",
        "Stores of before the first release": "tests/maintenance/test_stores_of_before.py",
        "Going back": "tests/docs/test_commands.py",
    },
    "docs/webhooks.md": {"": "tests/webhooks/test_page.py"},
}
"""By page and heading ("" for the whole page): the file that runs the blocks below it, or "" if nothing can.

Nothing can run pictures, and a benchmark takes an hour.
"""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    headings: tuple[str, ...]
    """The headings that it is below, the deepest last."""
    language: str
    text: str


def blocks() -> Iterator[Block]:
    """Yields the blocks of all pages."""
    for page in MARKDOWN:
        yield from blocks_of(page, (ROOT / page).read_text("utf-8"))


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """Yields the blocks of one page."""
    headings: list[tuple[int, str]] = []
    fence, language, begun, inside = "", "", 0, list[str]()
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if fence:
            if line.rstrip() == fence:
                yield Block(page, begun, tuple(title for _, title in headings), language, "".join(inside))
                fence = ""
            else:
                inside.append(line)
        elif opening := re.match(r" *(```+|~~~+)(.*)\n", line):
            fence, language, begun, inside = opening[1], opening[2].strip(), number, []
        elif heading := re.match(r"(#+) (.*)\n", line):
            depth = len(heading[1])
            headings = [*(above for above in headings if above[0] < depth), (depth, heading[2])]
    assert not fence, f"{page}: the block in line {begun} has no end."


BLOCKS = list(blocks())
COMMANDS = [block for block in BLOCKS if block.language in ("sh", "console")]


# ---------------------------------------------------------------- languages


def check_sh(text: str) -> None:
    checked = subprocess.run([BASH, "-n"], input=text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def check_console(text: str) -> None:
    assert text.startswith("$ "), "A session starts with a command."
    check_sh("".join(commands_of(text)))


def check_python(text: str) -> None:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "tasksvc":
            module = importlib.import_module(str(node.module))
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


def check_ini(text: str) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.read_string(text)
    assert parser.sections()


def check_sql(text: str) -> None:
    statements = text.strip().split("\n")
    assert [line for line in statements if not re.fullmatch(r"(CREATE|GRANT|ALTER|SELECT) .+;", line)] == []


def check_brackets(text: str) -> None:
    pairs, open_brackets = {")": "(", "]": "[", "}": "{"}, list[str]()
    for character in re.sub(r'"(?:\\.|[^"\\\n])*"|/\^[^/\n]*/m', "", text):
        if character in pairs.values():
            open_brackets.append(character)
        elif character in pairs:
            assert open_brackets, f"{character} closes nothing."
            assert open_brackets.pop() == pairs[character], f"{character} closes another bracket."
    assert open_brackets == []


def check_mermaid(text: str) -> None:
    kind, *lines = (line.strip() for line in text.splitlines())
    check_brackets(text)
    if kind == "sequenceDiagram":
        declared = set(re.findall(r"^\s*participant (\w+) as ", text, re.MULTILINE))
        arrows = re.findall(r"^\s*(\w+)--?>>(\w+): \S", text, re.MULTILINE)
        notes = re.findall(r"^\s*Note over (\w+): \S", text, re.MULTILINE)
        assert {name for arrow in arrows for name in arrow} | set(notes) == declared
        assert len(declared) + len(arrows) + len(notes) == len(lines)
        return
    assert re.fullmatch(r"flowchart (TD|LR)", kind), kind
    node = r"(\w+)(?:\[\(.+?\)\]|\(\[.+?\]\)|\[.+?\]|\{.+?\})?"
    edge = rf"{node} (?:-->|-- .+? -->|-\. .+? \.->) {node}"
    opened = [line for line in lines if re.fullmatch(r"subgraph \w+( \[.+\])?", line)]
    assert lines.count("end") == len(opened)
    others = [line for line in lines if line not in (*opened, "end")]
    assert [line for line in others if not re.fullmatch(f"{edge}|{node}", line)] == []


LANGUAGES: Mapping[str, Callable[[str], object]] = {
    "sh": check_sh,
    "console": check_console,
    "python": check_python,
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
    "ini": check_ini,
    "sql": check_sql,
    "js": check_brackets,
    "nginx": check_brackets,
    "caddyfile": check_brackets,
    "mermaid": check_mermaid,
    "text": lambda _: None,  # output, which the test that RUN names compares
}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_a_block_is_valid_in_its_language(block: Block) -> None:
    check = LANGUAGES.get(block.language)

    assert check is not None, f"Give {block.language!r} a check in LANGUAGES, or the block another language."
    check(block.text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("sh", "if true; then\n"),
        ("console", "ls\n"),
        ("python", "from tasksvc import Nothing\n"),
        ("json", "{'a': 1}"),
        ("ini", "[Service\n"),
        ("sql", "DELETE everything\n"),
        ("js", "follow(url, () => { return 1; );\n"),
        ("mermaid", "flowchart TD\n    a --> b\n    a -> b\n"),
        ("mermaid", "flowchart TD\n    subgraph a\n"),
        ("mermaid", "sequenceDiagram\n    participant a as A\n    a->>b: hello\n"),
        ("mermaid", "picture\n    a --> b\n"),
    ],
)
def test_a_check_finds_an_error(language: str, text: str) -> None:
    with pytest.raises((AssertionError, ValueError, SyntaxError, configparser.Error)):
        LANGUAGES[language](text)


@pytest.mark.skipif(shutil.which("node") is None, reason="Debian: apt-get install nodejs")
@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "js"], ids=lambda block: block.line)
def test_node_accepts_a_block_of_javascript(block: Block, tmp_path: Path) -> None:
    (tmp_path / "block.mjs").write_text(block.text)

    subprocess.run([str(shutil.which("node")), "--check", "block.mjs"], cwd=tmp_path, check=True)


# ---------------------------------------------------------------- runners


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_a_file_of_tests_runs_a_block(block: Block) -> None:
    runners = RUN.get(block.page, {})

    named = [runners[heading] for heading in ("", *block.headings) if heading in runners]

    assert named, f"RUN doesn't name a test that runs the block below {block.headings}."


@pytest.mark.parametrize(
    ("page", "heading", "runner"),
    [(page, heading, runner) for page, runners in RUN.items() for heading, runner in runners.items()],
)
def test_what_runs_a_block_reads_the_page(page: str, heading: str, runner: str) -> None:
    below = [block for block in BLOCKS if block.page == page and (not heading or heading in block.headings)]
    assert below, "RUN names a heading that has no block."
    if not runner:
        return

    text = (ROOT / runner).read_text("utf-8")

    if runner.startswith("tests/"):
        assert Path(page).name in text
    else:
        assert all(line in text for block in below for line in block.text.splitlines())


# ---------------------------------------------------------------- commands


def commands_of(session: str) -> list[str]:
    """Returns the commands of a session, each with the end of its line."""
    return [entry.partition("\n")[0] + "\n" for entry in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]]


def used_commands(line: str, known: Container[str]) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Yields each `tasksvc` in a line of shell: its command, of one or two words, and its flags.

    After the name of a program that runs another, such as docker, only a `known` command counts.
    """
    words = shlex.split(line, comments=True)
    for index, word in enumerate(words):
        if PurePath(word).name != "tasksvc":
            continue
        before = [other for other in words[:index] if not re.match(r"[A-Z_]+=", other)]
        rest = list(itertools.takewhile(lambda other: other not in ("|", ">", "&&"), words[index + 1 :]))
        if not before or before[-1] in ("--", "|", "&&"):
            command = tuple(rest[:1]) if rest and not rest[0].startswith("-") else ("serve",)
        elif rest and rest[0] in known:
            command = (rest[0],)
        else:
            continue
        if command in (("token",), ("workspace",)):
            command = tuple(rest[:2])
        yield command, {other.partition("=")[0] for other in rest if other.startswith("--")}


def test_the_commands_of_a_line_are_found() -> None:
    lines = [
        "A=b tasksvc --store memory:// # kept",
        "/opt/bin/tasksvc token list",
        "docker run --name tasksvc --rm tasksvc export - > file",
        "tasksvc export --store=x - | gzip | tasksvc bakcup",
    ]

    found = [list(used_commands(line, {"export"})) for line in lines]

    assert found == [
        [(("serve",), {"--store"})],
        [(("token", "list"), set())],
        [(("export",), set())],
        [(("export",), {"--store"}), (("bakcup",), set())],
    ]


def test_the_commands_of_tasksvc_and_their_flags_exist(tmp_path: Path) -> None:
    known = re.findall(r"^  ([a-z]+)  +\w", run_here("--help", folder=tmp_path).stdout, re.MULTILINE)
    lines = [line for block in COMMANDS for line in block.text.splitlines()]
    used: dict[tuple[str, ...], set[str]] = {}
    for line in lines:
        if "tasksvc" in line and line[:1] not in ("{", "tasksvc:"):
            for command, flags in used_commands(line.removeprefix("$ "), known):
                used.setdefault(command, set()).update(flags)
    assert len(used) >= 10

    helps = {command: run_here(*command, "--help", folder=tmp_path) for command in used}

    assert [command for command, shown in helps.items() if shown.returncode != 0] == []
    missing = {command: used[command] - set(re.findall(r"--[a-z-]+", shown.stdout)) for command, shown in helps.items()}
    assert {command: flags for command, flags in missing.items() if flags} == {}


def test_the_files_that_commands_name_exist() -> None:
    texts = [block.text for block in COMMANDS]

    named = {name for text in texts for name in re.findall(r"\b(?:examples|benchmarks|tests|\.ci)/[\w./]*\w", text)}

    assert len(named) >= 5
    assert [name for name in named if not (ROOT / name).exists()] == []
