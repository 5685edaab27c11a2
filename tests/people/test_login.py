"""tasksvc login and logout, and which token goes where."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from service_process import RunningService, environment_with, run_here
from terminals import read_to_end, read_until

from people.person import Person

NOBODY = "http://127.0.0.1:1"


class Listener(BaseHTTPRequestHandler):
    """A server that isn't tasksvc, and notes which tokens it gets."""

    tokens: list[str | None]

    def do_GET(self) -> None:
        self.tokens.append(self.headers.get("Authorization"))
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Does nothing, so that requests aren't printed among the results of the tests."""


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str | None]]]:
    """The URL of another service, and the tokens that it gets."""
    tokens: list[str | None] = []
    handler = type("Handler", (Listener,), {"tokens": tokens})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", tokens
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL of a service that requires tokens, and a token."""
    folder = tmp_path_factory.mktemp("guarded")
    made = run_here("token", "create", "ann", "--scope", "write", "--store", "sqlite:///t.db", folder=folder)
    with RunningService("--store", "sqlite:///t.db", folder=folder) as service:
        yield service.url, made.stdout.strip()


@pytest.fixture
def stranger(ann: Person) -> Person:
    """A user without variables."""
    for name in ("TASKSVC_URL", "TASKSVC_WORKSPACE"):
        del ann.environment[name]
    return ann


def log_in(person: Person, url: str, token: str, *words: str) -> str:
    return person.says("login", "--url", url, *words, TASKSVC_TOKEN=token)


def logins(person: Person) -> Path:
    return person.home / "config" / "tasksvc" / "logins.json"


def test_a_login_is_tried_and_kept_for_its_user_alone(stranger: Person, guarded: tuple[str, str]) -> None:
    url, token = guarded

    said = log_in(stranger, f"{url.upper().replace('HTTP', 'http')}/", token)

    assert said == f"Logged in to {url} as ann, with the scope write. It is kept in {logins(stranger)}.\n"
    assert stat.S_IMODE(logins(stranger).stat().st_mode) == 0o600
    assert stat.S_IMODE(logins(stranger).parent.stat().st_mode) == 0o700
    assert json.loads(logins(stranger).read_text())["services"][url]["token"] == token
    assert stranger.says("add", "x").startswith("1  x")


def test_a_wrong_token_is_refused_and_not_kept(stranger: Person, guarded: tuple[str, str]) -> None:
    refused = stranger("login", "--url", guarded[0], TASKSVC_TOKEN=guarded[1].swapcase())

    assert (refused.returncode, refused.stderr.count("\n")) == (5, 1)
    assert not logins(stranger).exists()


@pytest.mark.parametrize("token", ["a b", "tök€n", "a\nb"])
def test_what_cannot_be_a_token_is_one_sentence(token: str, stranger: Person) -> None:
    refused = stranger("ls", TASKSVC_TOKEN=token)

    assert refused.returncode == 1
    assert refused.stderr == (
        "tasksvc: What TASKSVC_TOKEN holds is no token: it has spaces or other characters that no token has.\n"
    )


@pytest.mark.parametrize(
    "url", ["tasks.example", "http://a b/", "http://[::1", "http://x:99999", "ftp://x", "http://x/?a=b"]
)
def test_what_is_not_a_url_is_refused_where_it_was_given(url: str, stranger: Person) -> None:
    typed, in_variable = stranger("ls", "--url", url), stranger("ls", TASKSVC_URL=url)

    assert (typed.returncode, in_variable.returncode) == (2, 2)
    assert typed.stderr.startswith(f"tasksvc: --url: {url!r} isn't the URL of a service, such as http")
    assert in_variable.stderr.startswith(f"tasksvc: TASKSVC_URL: {url!r} isn't the URL of a service, such as http")


def test_without_a_token_the_sentence_says_how_to_log_in(stranger: Person, guarded: tuple[str, str]) -> None:
    refused = stranger("ls", "--url", guarded[0])

    assert refused.returncode == 5
    assert refused.stderr.endswith("Log in with 'tasksvc login', or give a token in TASKSVC_TOKEN.\n")


def test_a_token_that_was_kept_for_one_url_is_never_sent_to_another(
    stranger: Person, guarded: tuple[str, str], elsewhere: tuple[str, list[str | None]]
) -> None:
    log_in(stranger, *guarded)
    url, tokens = elsewhere

    answers = [stranger("ls", "--url", url), stranger("ls", TASKSVC_URL=url), stranger("ls", "--url", f"{url}/below")]

    assert [answer.returncode for answer in answers] == [6, 6, 6]
    assert "isn't tasksvc" in answers[0].stderr
    assert set(tokens) == {None}
    assert stranger("ls").returncode == 0


def test_variables_and_options_go_before_what_was_kept(
    stranger: Person, guarded: tuple[str, str], elsewhere: tuple[str, list[str | None]]
) -> None:
    log_in(stranger, *guarded)
    url, tokens = elsewhere

    stranger("ls", TASKSVC_URL=url, TASKSVC_TOKEN="mine")  # noqa: S106
    stranger("ls", "--url", url, TASKSVC_URL=NOBODY)
    refused = stranger("ls", TASKSVC_TOKEN="mine")  # noqa: S106

    assert tokens == ["Bearer mine", None]
    assert refused.returncode == 5


def test_a_workspace_is_kept_with_the_login(stranger: Person, service: RunningService) -> None:
    assert stranger.process("login", "--url", service.url, "--workspace", "kept").returncode == 0
    stranger.says("add", "There")

    assert stranger.says("ls", "--workspace", "kept").endswith("There\n")
    assert stranger.says("ls", "--url", service.url).endswith("There\n")


def test_logout_forgets_the_token(stranger: Person, guarded: tuple[str, str]) -> None:
    log_in(stranger, *guarded)

    assert stranger.says("logout") == f"Logged out of {guarded[0]}.\n"
    assert guarded[1] not in logins(stranger).read_text()
    assert stranger.says("logout", "--url", guarded[0]) == f"Nothing is kept for {guarded[0]}.\n"


@pytest.mark.parametrize("content", ["{", "[]", '{"services": 1}', '{"services": {"a": 1}}', "\xff"])
def test_a_damaged_file_is_one_sentence(content: str, stranger: Person) -> None:
    logins(stranger).parent.mkdir(parents=True)
    logins(stranger).write_bytes(content.encode("latin-1"))

    refused = stranger("ls")

    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr == f"tasksvc: {logins(stranger)} is damaged. Delete it, and log in again.\n"


def test_on_a_terminal_it_asks_and_hides_the_token(stranger: Person, guarded: tuple[str, str]) -> None:
    url, token = guarded
    ours, theirs = pty.openpty()
    environment = environment_with(stranger.environment)
    with subprocess.Popen(
        stranger.command("login"),
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=stranger.home,
        start_new_session=True,  # so that the question comes here and not to the terminal of the tests
    ) as process:
        os.close(theirs)
        shown = read_until(ours, "URL of the service [http://127.0.0.1:8000]: ")
        os.write(ours, f"{url}\n".encode())
        shown += read_until(ours, "Token (empty if the service needs none): ")
        os.write(ours, f"{token}\n".encode())
        shown += read_to_end(ours).decode()

    assert process.returncode == 0, shown
    assert token not in shown
    assert json.loads(logins(stranger).read_text())["services"][url]["token"] == token


def test_a_token_comes_from_standard_input_in_a_script(stranger: Person, guarded: tuple[str, str]) -> None:
    done = subprocess.run(
        stranger.command("login", "--url", guarded[0]),
        env=environment_with(stranger.environment), input=f"{guarded[1]}\n", text=True, capture_output=True, check=True,
    )  # fmt: skip

    assert guarded[1] not in done.stdout + done.stderr
    assert stranger("ls").returncode == 0
