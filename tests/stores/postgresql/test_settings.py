"""What a store URL means, and what is never shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tasksvc_postgresql.settings import Settings, settings_of

from tasksvc import InvalidStoreURL, StoreURL


def settings(text: str) -> Settings:
    return settings_of(StoreURL(text))


def test_the_adapters_own_parameters_never_reach_the_driver() -> None:
    found = settings("postgresql://u@h/db?schema=a&pool_size=3&timeout=0.5&start_timeout=0&sslmode=disable")

    assert (found.schema, found.pool_size, found.timeout, found.start_timeout) == ("a", 3, 0.5, 0.0)
    assert found.dsn == "postgresql://u@h/db?sslmode=disable&target_session_attrs=read-write"


def test_without_parameters_there_are_defaults() -> None:
    found = settings("postgresql:///db")

    assert (found.schema, found.pool_size, found.hosts) == ("tasksvc", 12, ({},))


def test_the_server_that_takes_writes_is_asked_for_unless_the_url_says_otherwise() -> None:
    assert "target_session_attrs=any" in settings("postgresql://h/db?target_session_attrs=any").dsn


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("postgresql://u:p@h1,h2:5433/db", [("h1", None), ("h2", 5433)]),
        ("postgresql://h1,h2/db?port=1,2", [("h1", 1), ("h2", 2)]),
        ("postgresql://h1,h2/db?port=7", [("h1", 7), ("h2", 7)]),
        ("postgresql://u@/db?host=a,b:2", [("a", None), ("b", 2)]),
        ("postgresql://[::1]:5433,[::2]/db", [("::1", 5433), ("::2", None)]),
        ("postgresql://u@/db?host=/run/postgresql", [("/run/postgresql", None)]),
        ("postgresql://%2Frun%2Fpg/db", [("/run/pg", None)]),
    ],
)
def test_each_host_is_tried_separately(text: str, hosts: list[tuple[str, int | None]]) -> None:
    found = [(host["host"], host.get("port")) for host in settings(text).hosts]

    assert found == hosts


@pytest.mark.parametrize("text", ["postgresql://?service=tasks", "postgresql:///?service=tasks"])
def test_a_path_without_a_name_leaves_the_database_to_others(text: str) -> None:
    assert settings(text).dsn == "postgresql:?service=tasks&target_session_attrs=read-write"


def test_a_schema_is_quoted() -> None:
    assert settings('postgresql://h/db?schema=a"b').session["search_path"] == '"a""b", pg_temp'


def test_the_url_cannot_change_what_the_statements_rely_on() -> None:
    found = settings("postgresql://h/db?search_path=public&statement_timeout=5s")

    assert found.session["search_path"] == '"tasksvc", pg_temp'
    assert found.session["statement_timeout"] == "5s", "it may change the rest"


def test_what_is_set_for_a_session_is_not_set_by_connecting() -> None:
    found = settings("postgresql://h/db?sslmode=disable&search_path=public&statement_timeout=5s&work_mem=8MB")

    assert found.dsn == "postgresql://h/db?sslmode=disable&target_session_attrs=read-write"
    assert found.session["work_mem"] == "8MB"


def test_a_reader_takes_sessions_that_cannot_write() -> None:
    found = settings_of(StoreURL("postgresql://h/db"), to_read=True)

    assert found.dsn.endswith("?target_session_attrs=primary")
    assert found.session["default_transaction_read_only"] == "on"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:sEcret@ho@st/db",
        "postgresql://u:sEcret@h/db?schema=",
        "postgresql://u:sEcret@h/db?schema=pg_catalog",
        "postgresql://u:sEcret@h/db?schema=$user",
        "postgresql://u:sEcret@h/db?schema=" + "x" * 64,
        "postgresql://u:sEcret@h/db?pool_size=1",
        "postgresql://u:sEcret@h/db?pool_size=many",
        "postgresql://u:sEcret@h/db?timeout=nan",
        "postgresql://u:sEcret@h/db?start_timeout=-1",
        "postgresql://u:sEcret@h/db?password",
        "postgresql://u:sEcret@h:x/db",
        "postgresql://u:sEcret@h1,h2,h3/db?port=1,2",
        "postgresql://u:sEcret@,h/db",
        "postgresql://u:sEcret",
        "postgresql://u:sEcret@h/db?target_session_attrs=writable",
        "postgresql://u:sEcret@h/db?sslrootcert=/nowhere/root.crt",
        "postgresql://u@h/db?passfile=/nowhere/pgpass&password=sEcret",
    ],
)
def test_an_invalid_url_is_refused_in_one_sentence_without_the_password(text: str) -> None:
    with pytest.raises(InvalidStoreURL) as refusal:
        settings(text)

    assert "sEcret" not in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_settings_show_no_secret() -> None:
    found = settings("postgresql://u:sEcret@h/db?password=sEcret2&sslpassword=sEcret3")

    assert "sEcret" in found.dsn
    for shown in (str(found), repr(found), found.name):
        assert "sEcret" not in shown


@pytest.mark.parametrize("name", ["passfile", "sslrootcert", "sslcert", "sslkey", "sslcrl"])
def test_a_file_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(InvalidStoreURL, match=rf"^The file /nowhere/file that {name} of .* can't be read\.$"):
        settings(f"postgresql://u@h/db?{name}=/nowhere/file")


def test_a_password_file_that_others_may_read_is_refused_since_the_driver_would_pass_over_it(tmp_path: Path) -> None:
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:*:sEcret\n")
    url = f"postgresql://u@h/db?passfile={passwords}"
    passwords.chmod(0o640)

    with pytest.raises(InvalidStoreURL, match="chmod 600") as refusal:
        settings(url)
    passwords.chmod(0o600)

    assert "sEcret" not in str(refusal.value)
    assert settings(url).dsn.startswith("postgresql://u@h/db?passfile=")
