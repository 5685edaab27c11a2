"""Store URLs and their parts."""

from __future__ import annotations

import contextlib
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import InvalidStoreURL, StoreURL


@pytest.mark.parametrize(
    ("text", "scheme", "netloc", "path", "query"),
    [
        ("sqlite:///tasks.db", "sqlite", "", "/tasks.db", ""),
        ("sqlite:////var/lib/tasks.db", "sqlite", "", "//var/lib/tasks.db", ""),
        ("sqlite:///a%20folder/%C3%A9.db", "sqlite", "", "/a folder/é.db", ""),
        ("sqlite:///me@home/tasks.db", "sqlite", "", "/me@home/tasks.db", ""),
        ("memory://", "memory", "", "", ""),
        ("memory:", "memory", "", "", ""),
        ("SQLite:///Tasks.db", "sqlite", "", "/Tasks.db", ""),
        ("postgresql://u:p@h1:1,h2:2/db?a=b&c=d", "postgresql", "u:p@h1:1,h2:2", "/db", "a=b&c=d"),
        ("postgresql://[::1]:5432/db", "postgresql", "[::1]:5432", "/db", ""),
        ("x-y.z+1:rest", "x-y.z+1", "", "rest", ""),
    ],
)
def test_a_url_is_taken_apart(text: str, scheme: str, netloc: str, path: str, query: str) -> None:
    url = StoreURL(text)

    assert (url.scheme, url.netloc, url.path, url.query) == (scheme, netloc, path, query)
    assert url.reveal() == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sqlite:///tasks.db", "sqlite:///tasks.db"),
        ("sqlite:////var/tasks.db", "sqlite:////var/tasks.db"),
        ("memory://", "memory://"),
        ("memory:", "memory:"),
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgresql://u@h:5432/db", "postgresql://u@h:5432/db"),
        ("postgresql://u:sesame@h1,h2:5432/db", "postgresql://u:***@h1,h2:5432/db"),
        ("postgresql://u:se:sa@me@h/db", "postgresql://u:***@h/db"),
        ("postgresql://:sesame@h/db", "postgresql://:***@h/db"),
        ("postgresql://h/db?user=u&password=sesame", "postgresql://h/db?..."),
    ],
)
def test_a_url_is_shown_without_its_secrets(text: str, shown: str) -> None:
    url = StoreURL(text)

    assert str(url) == shown
    assert repr(url) == f"StoreURL({shown!r})"


@pytest.mark.parametrize(
    "text", ["", "tasks.db", "/var/tasks.db", "://x", "1x://", "sq lite://", "sqlité://", "a_b://", "\nsqlite:///x"]
)
def test_text_without_a_scheme_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidStoreURL, match=r"sqlite:///tasks\.db"):
        StoreURL(text)


PASSWORDS_THAT_NEED_ENCODING = [
    "postgresql://u:sesame/1@h/db",
    "postgresql://u:sesame?1@h/db",
    "postgresql://u:sesame#1@h/db",
    "postgresql://u:12345/sesame@h/db",
    "postgresql://u:12345?sesame@h/db",
    "postgresql://u:12/34?sesame@h/db",
    "postgresql://u:sesame[@h/db",
    "postgresql://u:sesame\u2100@h/db",
    "postgresql://u:ses@me/sesame@h/db",
    "postgresql://u:ses@me?sesame@h/db",
    "postgresql://us/er:sesame@h/db",
]


@pytest.mark.parametrize("text", PASSWORDS_THAT_NEED_ENCODING)
def test_a_password_that_should_have_been_encoded_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidStoreURL) as caught:
        StoreURL(text)

    report = "".join(traceback.format_exception(caught.value))
    assert "postgresql: URL" in str(caught.value)
    for secret in ("sesame", "12345", "12/34"):
        assert secret not in report


@pytest.mark.parametrize(
    "text",
    [
        "postgresql:u:sesame@127.0.0.1:1/db",
        "postgresql:/u:sesame@h/db",
        "postgresql:///u:sesame@h/db",
        "postgresql:////u:ses/ame@h/db",
        "postgresql:u:sesame?1@h/db",
    ],
)
def test_mistyped_slashes_before_a_password_are_refused_and_it_is_not_shown(text: str) -> None:
    with pytest.raises(InvalidStoreURL, match="two slashes") as caught:
        StoreURL(text)

    assert "ame" not in str(caught.value)


@given(st.text("/", max_size=5), st.text("u:/?@", max_size=4), *[st.text("a1:/?#@[]", max_size=4)] * 2)
def test_no_part_of_a_password_is_shown_wherever_slashes_are(slashes: str, user: str, head: str, tail: str) -> None:
    with contextlib.suppress(InvalidStoreURL):
        shown = str(StoreURL(f"x:{slashes}{user}:{head}sesame{tail}@host/db?a=b"))

        assert "sesame" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/me@work/tasks.db",
        "sqlite:///12:30/tasks.db",
        "postgresql://h/db?user=me@azure",
        "postgresql:///db?host=h:5432&user=me@azure",
        "postgresql://u:p%40ss@h/db?application_name=a%40b",
    ],
)
def test_an_at_sign_that_ends_no_password_is_let_be(text: str) -> None:
    assert StoreURL(text).reveal() == text


@given(st.text("aB1:/?#@[]%,. \n\tß℀", max_size=30))
def test_no_text_at_all_makes_the_parser_fail_otherwise(rest: str) -> None:
    with contextlib.suppress(InvalidStoreURL):
        assert str(StoreURL(f"x:{rest}")).startswith("x:")


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.from_regex(r"[a-z]{3}", fullmatch=True))
def test_an_encoded_password_is_never_shown(password: str, host: str) -> None:
    secret = "".join(f"%{byte:02X}" for byte in password.encode())

    assert str(StoreURL(f"x://user:{secret}@{host}/db")) == f"x://user:***@{host}/db"


@pytest.mark.parametrize(
    "text", ["postgresql://user:secret", "postgresql://user:secret/db", "postgresql://user:s3cret:1/db"]
)
def test_a_password_whose_host_was_forgotten_is_not_shown(text: str) -> None:
    shown = str(StoreURL(text))

    assert "secret" not in shown
    assert "s3cret" not in shown


@pytest.mark.parametrize("text", ["postgresql://h1,h2:5433/db", "postgresql://[::1]:5432/db", "sqlite:///tasks.db"])
def test_hosts_and_ports_are_shown(text: str) -> None:
    assert str(StoreURL(text)) == text
