"""The command tasksvc token, with a store that isn't served, and with a service."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from http_client import ask
from service_process import RunningService

from commands.cli_runner import CommandLine, Done
from tasksvc.application.tokens import is_well_formed, new_secret

STORE = ("--store", "sqlite:///tasks.db")
AMBIGUOUS = "Name the store with --store, or the service that serves it with --url."
URL_RULE = "The URL of a service looks like http://127.0.0.1:8000 or https://tasks.example."


def lines(done: Done) -> list[str]:
    assert (done.status, done.said) == (0, "")
    return done.printed.splitlines()


def refusal(done: Done) -> str:
    """Returns the sentence that a failing command prints."""
    assert (done.status, done.printed, done.said.count("\n")) == (1, "", 1)
    return done.said.removeprefix("tasksvc: ").rstrip("\n")


def bearer(made: Done) -> dict[str, str]:
    """Returns the headers with the token that a command has made."""
    return {"Authorization": f"Bearer {made.printed.rstrip()}"}


# ---------------------------------------------------------------- a store that isn't served


def test_a_token_is_valid_from_its_creation_until_it_is_revoked(tasksvc: CommandLine) -> None:
    made = tasksvc("token", "create", "reporting", *STORE, "--scope", "read", "--expires", "90d")
    secret = made.printed.rstrip("\n")
    listed = lines(tasksvc("token", "list", *STORE))
    with RunningService(*STORE, folder=tasksvc.folder) as service:
        held = ask(service.url, "GET", "/tasks/", headers={"Authorization": f"Bearer {secret}"})
    revoked = lines(tasksvc("token", "revoke", "reporting", *STORE))

    assert (made.status, is_well_formed(secret)) == (0, True)
    assert made.said == "The token reporting, scope read. It is not kept and cannot be shown again:\n"
    (line,) = listed
    assert line.startswith("reporting  read  made 20")
    assert "until 20" in line
    assert secret not in line
    assert held.status == 200
    assert "to those who have a token" in service.output
    assert revoked == ["The token reporting is revoked."]
    assert lines(tasksvc("token", "list", *STORE)) == []


def test_a_token_is_made_for_workspaces_and_the_list_names_them(tasksvc: CommandLine) -> None:
    made = tasksvc(*("token", "create", "ann", "--workspace", "u_ann", "--workspace", "family"), *STORE)
    listed = tasksvc("token", "list", *STORE)
    refused = tasksvc("token", "create", "bob", "--workspace", "a/b", *STORE)

    assert made.status == 0
    assert listed.printed.endswith("  for ever  in u_ann,family\n")
    assert "'a/b' cannot be the name of a workspace" in refused.said


def test_a_token_is_changed_where_that_is_said_and_stays_the_same_otherwise(tasksvc: CommandLine) -> None:
    made = tasksvc("token", "create", "ann", "--expires", "90d", "--workspace", "u_ann", *STORE)
    (before,) = lines(tasksvc("token", "list", *STORE))
    places = ("--workspace", "u_ann", "--workspace", "family")

    (wider,) = lines(tasksvc("token", "update", "ann", *places, *STORE))
    (reader,) = lines(tasksvc("token", "update", "ann", "--scope", "read", "--no-expiry", *STORE))
    (everywhere,) = lines(tasksvc("token", "update", "ann", "--all-workspaces", "--expires", "1d", *STORE))

    assert wider == f"{before},family"
    assert reader == before.replace("write", "read").partition("  until")[0] + "  for ever  in u_ann,family"
    assert "  until 20" in everywhere
    assert "  in " not in everywhere
    assert lines(tasksvc("token", "list", *STORE)) == [everywhere]
    with RunningService(*STORE, folder=tasksvc.folder) as service:
        held = ask(service.url, "POST", "/tasks/", {"description": "x"}, headers=bearer(made))
    assert held.status == 403


def test_a_change_that_no_token_can_have_is_refused(tasksvc: CommandLine) -> None:
    tasksvc("token", "create", "ann", "--workspace", "u_ann", *STORE)

    assert "no token" in refusal(tasksvc("token", "update", "bob", "--scope", "read", *STORE))
    assert "admin is valid in all" in refusal(tasksvc("token", "update", "ann", "--scope", "admin", *STORE))
    assert "'a/b' cannot be the name" in refusal(tasksvc("token", "update", "ann", "--workspace", "a/b", *STORE))
    assert refusal(tasksvc("token", "update", "--scope", "read", *STORE)) == "Name the token."


def test_a_token_writes_and_lasts_where_nothing_else_is_said(tasksvc: CommandLine) -> None:
    for name in ("b", "a"):
        assert tasksvc("token", "create", name, *STORE).status == 0

    first, second = lines(tasksvc("token", "list", *STORE))

    assert (first[:9], second[:9]) == ("a  write ", "b  write ")
    assert first.endswith("for ever")


def test_a_name_that_is_taken_or_cannot_be_or_is_not_there_is_refused(tasksvc: CommandLine) -> None:
    tasksvc("token", "create", "one", *STORE)

    assert "already" in refusal(tasksvc("token", "create", "one", *STORE))
    assert "name of a token" in refusal(tasksvc("token", "create", "a/b", *STORE))
    assert "no token" in refusal(tasksvc("token", "revoke", "two", *STORE))
    assert refusal(tasksvc("token", "create", *STORE)) == "Name the token."
    assert refusal(tasksvc("token", "revoke", *STORE)) == "Name the token."


@pytest.mark.parametrize("span", ["90", "0d", "d", "-1d", "1.5h", "100000d", "1y", ""])
def test_an_invalid_time_span_is_refused(span: str, tasksvc: CommandLine) -> None:
    status, printed, said = tasksvc("token", "create", "late", *STORE, f"--expires={span}")

    assert (status, printed) == (2, "")
    assert "isn't a time span, such as 30m, 12h, 90d or 4w" in said
    assert list(tasksvc.folder.iterdir()) == []


def test_a_token_for_a_file_needs_no_store(tasksvc: CommandLine) -> None:
    first, second = (lines(tasksvc("token", "new")) for _ in range(2))

    assert first != second
    assert is_well_formed(first[0])


# ---------------------------------------------------------------- where


def test_neither_or_both_of_store_and_service_are_refused(tasksvc: CommandLine) -> None:
    both = {"TASKSVC_STORE": "sqlite:///tasks.db", "TASKSVC_URL": "http://127.0.0.1:1"}

    assert refusal(tasksvc("token", "list")) == AMBIGUOUS
    assert refusal(tasksvc("token", "list", *STORE, "--url", "http://127.0.0.1:1")) == AMBIGUOUS
    assert refusal(tasksvc("token", "list", environment=both)) == AMBIGUOUS


def test_a_flag_wins_over_the_variable_of_the_other_one(tasksvc: CommandLine) -> None:
    named = {"TASKSVC_URL": "http://127.0.0.1:1"}
    assert lines(tasksvc("token", "list", *STORE, environment=named)) == []

    named = {"TASKSVC_STORE": "sqlite:///tasks.db"}
    assert "TASKSVC_ADMIN_TOKEN_FILE" in refusal(
        tasksvc("token", "list", "--url", "http://127.0.0.1:1", environment=named)
    )


# ---------------------------------------------------------------- a service


@pytest.fixture(scope="module")
def root_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the token of an administrator."""
    file = tmp_path_factory.mktemp("root") / "admin-token"
    file.write_text(new_secret() + "\n")
    return file


@pytest.fixture(scope="module")
def service(root_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(
        *STORE, folder=tmp_path_factory.mktemp("service"), environment={"TASKSVC_ADMIN_TOKEN_FILE": str(root_file)}
    ) as service:
        yield service


@pytest.mark.slow
def test_the_token_of_a_file_ends_when_the_service_starts_with_another_file_or_none(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for file in (first, second):
        file.write_text(new_secret())

    def statuses(file: Path | None) -> tuple[list[int], str]:
        """Returns the status that each token gets from a service with that file, and the service's output."""
        environment = {} if file is None else {"TASKSVC_ADMIN_TOKEN_FILE": str(file)}
        with RunningService(*STORE, folder=tmp_path, environment=environment) as service:
            headers = [{"Authorization": f"Bearer {secret.read_text()}"} for secret in (first, second)]
            found = [ask(service.url, "GET", "/admin/tokens", headers=each).status for each in headers]
            return found, service.output

    started = [statuses(file) for file in (first, second, second, None)]

    assert [found for found, _ in started] == [[200, 401], [401, 200], [401, 200], [403, 403]]
    assert ["was revoked, since the file" in said for _, said in started] == [False, True, False, True]
    assert "Open   to everybody on this machine" in started[-1][1]


@pytest.mark.parametrize("variable", ["TASKSVC_ADMIN_TOKEN_FILE", "TASKSVC_ADMIN_TOKEN"])
def test_a_service_creates_lists_changes_and_revokes_tokens_for_an_administrator(
    variable: str, service: RunningService, root_file: Path, tasksvc: CommandLine
) -> None:
    value = str(root_file) if variable.endswith("FILE") else root_file.read_text()
    environment = {variable: value, "TASKSVC_URL": f"{service.url}/"}

    made = tasksvc("token", "create", "r.1", "--scope", "read", "--expires", "1h", environment=environment)
    authorization = {"Authorization": f"Bearer {made.printed.rstrip()}"}
    before = ask(service.url, "GET", "/tasks/", headers=authorization)
    listed = lines(tasksvc("token", "list", environment=environment))
    change = ("--workspace", "u_1", "--scope", "write", "--no-expiry")
    changed = lines(tasksvc("token", "update", "r.1", *change, environment=environment))
    revoked = lines(tasksvc("token", "revoke", "r.1", environment=environment))
    end = time.monotonic() + 10
    while (after := ask(service.url, "GET", "/tasks/", headers=authorization)).status == 200 and time.monotonic() < end:
        time.sleep(0.05)

    assert made.said == "The token r.1, scope read. It is not kept and cannot be shown again:\n"
    (line,) = [line for line in listed if line.startswith("r.1  read  made 20")]
    assert "until 20" in line
    assert changed == [line.replace("  read  ", "  write  ").partition("  until")[0] + "  for ever  in u_1"]
    assert revoked == ["The token r.1 is revoked."]
    assert (before.status, after.status) == (200, 401)
    assert list(tasksvc.folder.iterdir()) == []


def test_what_a_service_refuses_is_passed_on(service: RunningService, root_file: Path, tasksvc: CommandLine) -> None:
    environment = {"TASKSVC_ADMIN_TOKEN_FILE": str(root_file), "TASKSVC_URL": service.url}
    secret = tasksvc("token", "create", "reader", "--scope", "read", environment=environment).printed.rstrip()

    def refused(*words: str, environment: dict[str, str] = environment) -> str:
        return refusal(tasksvc("token", *words, environment=environment))

    assert "already" in refused("create", "reader")
    assert "name of a token" in refused("create", "a/b")
    assert "no token" in refused("revoke", "nobody's")
    reader = {"TASKSVC_ADMIN_TOKEN": secret, "TASKSVC_URL": service.url}
    assert refused("list", environment=reader).startswith("The service refused: ")
    stranger = {"TASKSVC_ADMIN_TOKEN": new_secret(), "TASKSVC_URL": service.url}
    assert refused("list", environment=stranger).startswith("The service refused: ")
    elsewhere = {**environment, "TASKSVC_URL": f"{service.url}/nowhere"}
    assert refused("list", environment=elsewhere).startswith("The service refused: ")


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http:///tasks", "http://[", "http://127.0.0.1:99999"]
)
def test_an_invalid_service_url_is_refused(url: str, tasksvc: CommandLine) -> None:
    environment = {"TASKSVC_ADMIN_TOKEN": new_secret()}

    assert refusal(tasksvc("token", "list", "--url", url, environment=environment)) == URL_RULE


def test_a_service_that_is_not_there_is_named(tasksvc: CommandLine) -> None:
    environment = {"TASKSVC_ADMIN_TOKEN": new_secret()}

    said = refusal(tasksvc("token", "list", "--url", "http://127.0.0.1:1", environment=environment))

    assert said.startswith("The service at 127.0.0.1 did not answer: ")


@pytest.mark.parametrize("secret", ["hunter2", "hunter2\nX-More: 1", "hünter2 hunter2"])
def test_an_invalid_token_is_neither_sent_nor_shown(secret: str, service: RunningService, tasksvc: CommandLine) -> None:
    said = refusal(tasksvc("token", "list", "--url", service.url, environment={"TASKSVC_ADMIN_TOKEN": secret}))

    assert said == "What TASKSVC_ADMIN_TOKEN holds is no token of tasksvc."


ANSWERS = {
    "a page": (200, "text/html", "<p>Welcome</p>", "is no service of tasksvc"),
    "a redirection": (301, "text/html", "<p>Moved</p>", "The service refused: status 301"),
    "a proxy's error": (502, "text/html", "<h1>Bad gateway</h1>", "The service refused: status 502"),
    "a list": (500, "application/json", "[1]", "The service refused: status 500"),
    "other errors": (400, "application/json", json.dumps({"errors": ["x"]}), "The service refused: status 400"),
    "a problem": (400, "application/problem+json", json.dumps({"detail": "Not now."}), "refused: Not now."),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_response_of_another_program_is_reported_in_one_sentence(answer: str, tasksvc: CommandLine) -> None:
    status, kind, body, expected = ANSWERS[answer]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Suppresses the log of requests."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = tasksvc("token", "list", "--url", url, environment={"TASKSVC_ADMIN_TOKEN": new_secret()})
        answering.join()

    assert expected in refusal(done)
