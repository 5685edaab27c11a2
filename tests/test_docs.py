"""What the pages in docs/ tell to run works, and shows what they say; and all pages are found and linked."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pages import DOCS, ROOT, Page
from running_service import RunningService
from test_readme import BIN, assert_shows, run_shell
from wire import ask

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="Debian: apt-get install curl")

PAGES = sorted(path.name for path in DOCS.glob("*.md"))
BLOCK = re.compile(r"^```(sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"^([A-Z_]+)=(.*)$", re.MULTILINE)
SERVE = re.compile(r"^((?:[A-Z_]+=\S+ )*)tasksvc serve (.*)$")


class Reader:
    """A reader who does what a page says, in a folder; a service that the page starts runs until the next one."""

    def __init__(self, folder: Path, replacing: dict[str, str] | None = None) -> None:
        """`replacing`: what is put in place of what commands name."""
        self._folder, self._replacing = folder, replacing or {}
        self._variables = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        self._service: RunningService | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._service is not None:
            self._service.stop()

    @property
    def url(self) -> str:
        """Of the service that runs."""
        assert self._service is not None
        return self._service.url

    def follow(self, page: Page) -> int:
        """Carries out the blocks of a page, and compares what they show; how many commands there were."""
        count = 0
        for language, text in BLOCK.findall(page.text):
            if language == "console":
                for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                    command, _, documented = entry.partition("\n")
                    shown = self._run(command)
                    if documented:
                        assert_shows(shown, documented, command)
                    count += 1
            else:
                for command in text.replace("\\\n", "").splitlines():
                    self._run(command)
                    count += 1
        return count

    def _run(self, command: str) -> str:
        for old, new in self._replacing.items():
            command = command.replace(old, new)
        if serving := SERVE.match(command):
            self._serve(dict(VARIABLE.findall(serving[1].replace(" ", "\n"))), shlex.split(serving[2]))
            return ""
        if self._service is not None:
            command = command.replace("127.0.0.1:8000", urlsplit(self._service.url).netloc)
        if command.startswith("export "):
            names = re.findall(r"([A-Z_]+)=", command)
            found = run_shell(f"{command}; env | grep -E '^({'|'.join(names)})='", self._folder, self._variables)
            self._variables |= dict(VARIABLE.findall(found))
            return ""
        return run_shell(f"set -e -o pipefail; {command}", self._folder, self._variables)

    def _serve(self, variables: dict[str, str], arguments: list[str]) -> None:
        if self._service is not None:
            self._service.stop()
        port = 0 if self._service is None else self._service.port
        self._service = RunningService(*arguments, folder=self._folder, environment=variables)
        self._service.port = port
        self._service.start()


def test_the_page_about_proxies_is_true(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        assert reader.follow(Page.named("docs/proxies.md")) >= 8


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with a store that has a task in it, and that nobody serves."""
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path) as service:
        ask(service.url, "POST", "/tasks/", {"description": "kept"})
    return tmp_path


def test_the_page_about_tokens_is_true(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        assert reader.follow(Page.named("docs/tokens.md")) >= 12


def test_a_token_that_was_rotated_no_longer_opens_the_service(tmp_path: Path) -> None:
    page = Page.named("docs/tokens.md")
    with Reader(tmp_path) as reader:
        reader.follow(page.section("The first token"))
        old = (tmp_path / "admin-token").read_text().strip()
        setting = page.section("Tokens for clients").commands()[0]
        reader.follow(Page(f"```sh\n{setting}\n```"))

        reader.follow(page.section("Rotation"))

        new = (tmp_path / "admin-token").read_text().strip()
        statuses = [ask(reader.url, "GET", "/tasks/", headers={"Authorization": f"Bearer {t}"}) for t in (old, new)]
    assert [answer.status for answer in statuses] == [401, 200]


def test_the_page_about_operations_is_true(kept: Path) -> None:
    page = Page.named("docs/operations.md")
    places = {"/var/lib/tasksvc/": f"{kept}/", "/backups/": f"{kept}/", "sqlite:///a.db": "sqlite:///tasks.db"}

    with Reader(kept, places | {"postgresql://tasksvc@db1/tasks": "sqlite:///moved.db"}) as reader:
        count = sum(
            reader.follow(page.section(heading)) for heading in ("Backup and restore", "Moving to another store")
        )
    with Reader(kept, places | {"postgresql://tasksvc@db1/tasks": "sqlite:///imported.db"}) as reader:
        count += sum(reader.follow(page.section(heading)) for heading in ("Exports", "Checking"))

    assert count >= 8


def test_a_migration_by_hand_and_the_way_back_work_as_the_page_says(kept: Path) -> None:
    page = Page.named("docs/upgrading.md")
    with Reader(kept) as reader:
        reader.follow(page.section("Migrate by hand"))
        run_shell(f"{BIN}/tasksvc backup before-upgrade.db --store sqlite:///tasks.db", kept)

        assert reader.follow(page.section("Going back")) == 1

    with RunningService("--store", "sqlite:///restored.db", folder=kept) as service:
        assert [task["description"] for task in ask(service.url, "GET", "/tasks/").document] == ["kept"]


def test_a_store_of_a_newer_version_is_refused_in_the_words_of_the_page(kept: Path) -> None:
    (documented,) = Page.named("docs/upgrading.md").section("Going back").blocks("text")
    with closing(sqlite3.connect(kept / "tasks.db")) as store:
        (version,) = store.execute("PRAGMA user_version").fetchone()
        store.execute(f"PRAGMA user_version = {version + 1}")

    refused = run_shell(f"{BIN}/tasksvc serve --port 0 --store sqlite:///tasks.db 2>&1 || true", kept)

    assert refused.replace(f"{kept}/", "") == documented


def test_every_page_is_found_from_the_index_or_the_readme() -> None:
    found = Page.named("docs/index.md").text + Page.named("README.md").text

    linked = set(re.findall(r"\]\((?:docs/)?([a-z]+\.md)", found))

    assert set(PAGES) - linked == set()


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_links_to_is_there(name: str) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)]+)\)", (DOCS / name).read_text("utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (DOCS / path).resolve() if path else DOCS / name
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def anchors(path: Path) -> set[str]:
    """The names of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_an_idempotency_key_has_one_life_wherever_it_is_mentioned() -> None:
    texts = [path.read_text("utf-8") for path in (ROOT / "README.md", *DOCS.glob("*.md"))]

    sentences = [text for page in texts for text in re.split(r"(?<=[.]) |\n\n|\n\|", page)]
    lives = {
        life
        for sentence in sentences
        if re.search(r"[Kk]eys? (?:is|are|with)|the same key", sentence)
        for life in re.findall(r"\b(?:\d+|a|an|one|two|three) (?:hours?|days?)\b", sentence)
    }

    assert lives == {"24 hours"}
