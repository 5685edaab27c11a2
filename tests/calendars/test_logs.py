"""The key of a calendar stands in addresses, and in no log."""

from __future__ import annotations

import http.client
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from service_process import RunningService


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_log_has_a_key(tmp_path: Path, form: str) -> None:
    arguments = ["--store", "sqlite:///tasks.db", "--plugins", "calendar", "--log-format", form, "--rate", "1000"]
    with RunningService(*arguments, folder=tmp_path) as service:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)

        def ask(method: str, target: str, headers: dict[str, str] | None = None, body: str | None = None) -> bytes:
            sent = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, target, body, sent)
            return connection.getresponse().read()

        ask("POST", "/tasks/", body='{"description": "water", "due_on": "2026-12-01"}')
        made = json.loads(ask("POST", "/calendar/keys", body='{"list": "inbox"}'))
        key, path = made["key"], made["path"]
        secret = key.removeprefix(f"tasksvc_{made['id']}")
        escaped = "".join(f"%{ord(character):02X}" for character in key)
        answers = [
            ask("GET", target, {"Referer": service.url + path, "User-Agent": "calendar"})
            for target in (
                path,
                f"{path}&as=events",
                f"{path}&nocache=1",
                f"{path}&key={key}",
                f"{path}#{key}",
                f"/calendar/inbox.ics?key={key}x",
                f"/calendar/inbox.ics?key={escaped}",
                f"/calendar/inbox.ics?{key}",
                f"/calendar/inbox.ics?KEY={key}",
                f"/calendar/inbox.ics?x=1;key={key}",
                f"/calendar/inbox.ics%3Fkey={key}",
                f"/calendar/inbox.ics%3Fkey%3D{escaped}",
                f"/calendar/{key}.ics",
                f"/workspaces/{key}/calendar/inbox.ics?key={key}",
                f"/tasks/?key={key}",
                f"/tasks/?q={key}",
                f"/{key}",
                f"{service.url}{path}",
            )
        ]
        ask("HEAD", path)
        ask("POST", path, body="{}")
        ask("OPTIONS", path)
        ask("GET", path, {"Authorization": f"Bearer {key}"})
        ask("GET", path, {"If-None-Match": "*"})
        ask("GET", path, {"Host": "elsewhere.example"})
        with (
            closing(sqlite3.connect(tmp_path / "tasks.db")) as store,
            store,
        ):  # so that the key is found, and its record is damaged
            store.execute("UPDATE records SET value = '{}' WHERE key = ?", [f"key:{made['id']}"])
        ask("GET", path)
        connection.close()

    assert b"BEGIN:VTODO" in answers[0]
    assert [answer for answer in answers if secret.encode() in answer] == []
    assert service.output.count("/calendar/inbox.ics") > 10
    assert secret not in service.output
    assert escaped[-len(secret) :] not in service.output
