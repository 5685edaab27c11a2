"""The commands and the function on docs/webhooks.md."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docs.reader import Reader, needs_curl
from pages import Page
from tasksvc_webhooks.signing import new_secret, sign

PAGE = Page.named("docs/webhooks.md")


@pytest.fixture
def is_genuine() -> Callable[[dict[str, str], bytes, str], bool]:
    """The function on the page."""
    (source,) = re.findall(r"^```python\n(.*?)^```$", PAGE.text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102
    found: Callable[[dict[str, str], bytes, str], bool] = names["is_genuine"]
    return found


def message(body: bytes, *secrets: str, age: int = 0) -> dict[str, str]:
    """Returns the headers of a message with this body that was signed some seconds ago."""
    timestamp = int(time.time()) - age
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, "msg_1", timestamp, body),
    }


@needs_curl
def test_the_commands_of_the_page_show_what_it_says(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        reader.serve("--store", "sqlite:///tasks.db", "--plugins", "webhooks")

        assert reader.follow(PAGE) == 1

    assert '"secret":"whsec_' in (tmp_path / "webhook.json").read_text()


def test_a_receiver_takes_a_message_that_either_secret_has_signed(
    is_genuine: Callable[[dict[str, str], bytes, str], bool],
) -> None:
    old, new = new_secret(), new_secret()
    headers = message(b"{}", new, old)

    assert is_genuine(headers, b"{}", old)
    assert is_genuine(headers, b"{}", new)


def test_a_receiver_refuses_other_secrets_other_bodies_and_old_messages(
    is_genuine: Callable[[dict[str, str], bytes, str], bool],
) -> None:
    secret = new_secret()

    assert not is_genuine(message(b"{}", new_secret()), b"{}", secret)
    assert not is_genuine(message(b"{}", secret), b"{ }", secret)
    assert not is_genuine(message(b"{}", secret, age=600), b"{}", secret)
