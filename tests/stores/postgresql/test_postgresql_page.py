"""What docs/postgresql.md says about URLs, passwords, TLS and roles, carried out on a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
from http_client import ask
from pages import Page
from service_process import RunningService, run_tasksvc

from stores.postgresql.server import FAST, Server, execute
from stores.postgresql.tls_front import TLSFront

pytestmark = pytest.mark.postgresql

PAGE = Page.named("docs/postgresql.md")
PASSWORD = "p@ss/w?rd"  # noqa: S105  # of the page
ENCODED = "p%40ss%2Fw%3Frd"
URLS = [row[0].strip("`") for row in PAGE.section("The URL").table("URL")]
MODES = [mode for row in PAGE.section("TLS").table("`sslmode`") for mode in re.findall(r"`([a-z-]+)`", row[0])]


class Place(NamedTuple):
    """A server with the page's role and database, and files with passwords and certificates."""

    server: Server
    folder: Path
    tls: TLSFront
    """The TLS proxy in front of the server; its certificate is for localhost."""

    def url(self, documented: str) -> str:
        """Returns a URL of the page, with this server in place of the named ones."""
        url = documented.replace("db1.example,db2.example:5433", f"127.0.0.1:1,localhost:{self.server.port}")
        url = re.sub(r"db\.example(:\d+)?", f"localhost:{self.server.port}", url)
        url = url.replace(
            "%2Frun%2Fpostgresql/tasks", f"{quote(str(self.server.folder), safe='')}/tasks?port={self.server.port}"
        )
        url = url.replace("host=/run/postgresql", f"host={self.server.folder}&port={self.server.port}")
        return url.replace("/etc/tasksvc/", f"{self.folder}/")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    with Server(FAST) as server, TLSFront(folder, server.port) as tls:
        (sql, *_) = PAGE.blocks("sql")
        for statement in sql.strip().splitlines():
            execute(server.url, statement)
        (folder / "pgpass").write_text(f"localhost:*:tasks:tasksvc:{PASSWORD}\n")
        (folder / "pgpass").chmod(0o600)
        (folder / "services").write_text(
            f"[tasks]\nhost=localhost\nport={server.port}\nuser=tasksvc\npassword={PASSWORD}\ndbname=tasks\n"
        )
        yield Place(server, folder, tls)


def opened(url: str, place: Place, **variables: str) -> str:
    """Returns what `tasksvc migrate` prints about a store, which it may or may not be able to open."""
    done = run_tasksvc("migrate", "--store", url, folder=place.folder, environment=variables)
    assert PASSWORD not in done.stdout + done.stderr
    assert ENCODED not in done.stdout + done.stderr
    return "up to date" if done.returncode == 0 else done.stderr


def test_the_page_contains_the_tested_blocks() -> None:
    assert len(URLS) == 8
    assert MODES == ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


def test_the_page_names_the_version_that_it_is_tested_with(place: Place) -> None:
    assert f"tested with PostgreSQL {place.server.version}." in PAGE.text


@pytest.mark.parametrize("documented", URLS)
def test_a_url_of_the_page_opens_the_store(documented: str, place: Place) -> None:
    variables = {"PGSERVICEFILE": f"{place.folder}/services"}
    if not re.search(r"password|passfile|p%40ss|service", documented):
        variables["PGPASSWORD"] = PASSWORD

    assert opened(place.url(documented), place, **variables) == "up to date"


def test_what_the_url_leaves_out_comes_from_the_usual_variables(place: Place) -> None:
    variables = {
        "PGHOST": "localhost",
        "PGPORT": str(place.server.port),
        "PGUSER": "tasksvc",
        "PGDATABASE": "tasks",
        "PGPASSFILE": f"{place.folder}/pgpass",
    }

    assert opened("postgresql://", place, **variables) == "up to date"
    assert opened("postgres://", place, **variables) == "up to date"


@pytest.mark.parametrize("password", ["with:colon", "with\\backslash", PASSWORD])
def test_a_password_in_a_file_is_taken_as_it_stands(password: str, place: Place, tmp_path: Path) -> None:
    (tmp_path / "pgpass").write_text(f"*:*:*:*:{password}\n")
    (tmp_path / "pgpass").chmod(0o600)
    execute(place.server.url, f"ALTER ROLE tasksvc PASSWORD '{password}'")
    try:
        found = opened(f"postgresql://tasksvc@localhost:{place.server.port}/tasks?passfile={tmp_path}/pgpass", place)
    finally:
        execute(place.server.url, f"ALTER ROLE tasksvc PASSWORD '{PASSWORD}'")

    assert found == "up to date"


def test_a_home_has_the_password_file_and_the_services(place: Place, tmp_path: Path) -> None:
    (tmp_path / ".pgpass").write_text((place.folder / "pgpass").read_text())
    (tmp_path / ".pgpass").chmod(0o600)
    (tmp_path / ".pg_service.conf").write_text((place.folder / "services").read_text())

    by_password = opened(f"postgresql://tasksvc@localhost:{place.server.port}/tasks", place, HOME=str(tmp_path))
    by_service = opened("postgresql:///?service=tasks", place, HOME=str(tmp_path))

    assert (by_password, by_service) == ("up to date", "up to date")


def test_the_parameters_and_defaults_of_the_page_are_the_adapters() -> None:
    from tasksvc_postgresql.settings import settings_of

    from tasksvc import StoreURL

    rows = {row[0].strip("`"): row[1].strip("`") for row in PAGE.section("The URL").table("parameter")}
    settings = settings_of(StoreURL("postgresql://db.example/tasks"))

    assert rows == {name: f"{getattr(settings, name):g}" for name in ("pool_size", "timeout", "start_timeout")} | {
        "schema": settings.schema
    }


@pytest.mark.parametrize("name", ["connect_timeout", "nonsense"])
def test_a_parameter_that_nobody_knows_is_refused(name: str, place: Place) -> None:
    url = place.url(f"postgresql://tasksvc:{ENCODED}@db.example/tasks?{name}=3&application_name=replica-1")

    assert name in opened(url, place)


# ---------------------------------------------------------------- TLS


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("host", "root"), [("localhost", "given"), ("localhost", "none"), ("localhost", "another"), ("127.0.0.1", "given")]
)
def test_each_sslmode_does_what_the_page_says(mode: str, root: str, host: str, place: Place, tmp_path: Path) -> None:
    rank = MODES.index(mode)
    trusted = {"given": f"&sslrootcert={place.tls.root}", "another": f"&sslrootcert={place.tls.other}", "none": ""}[
        root
    ]
    url = f"postgresql://tasksvc:{ENCODED}@{host}:{place.tls.port}/tasks?start_timeout=0&sslmode={mode}{trusted}"
    encrypted = place.tls.encrypted

    found = opened(url, place, HOME=str(tmp_path))

    verifies = rank >= MODES.index("verify-ca") or (mode == "require" and root != "none")
    good = not verifies or (root == "given" and (host == "localhost" or mode != "verify-full"))
    assert (found == "up to date") == good, found
    if good:
        assert (place.tls.encrypted > encrypted) == (rank >= MODES.index("prefer"))


@pytest.mark.parametrize("mode", MODES)
def test_a_server_without_tls_is_taken_up_to_prefer(mode: str, place: Place) -> None:
    url = f"postgresql://tasksvc:{ENCODED}@localhost:{place.server.port}/tasks?start_timeout=0&sslmode={mode}"

    found = opened(f"{url}&sslrootcert={place.tls.root}", place)

    assert (found == "up to date") == (mode in ("disable", "allow", "prefer")), found


def test_a_certificate_of_the_client_is_sent_and_the_variables_say_the_same(place: Place) -> None:
    files = {"sslcert": place.tls.certificate, "sslkey": place.tls.key, "sslrootcert": place.tls.root}
    base = f"postgresql://tasksvc:{ENCODED}@localhost:{place.tls.port}/tasks"
    variables = {f"PG{name.upper()}": str(path) for name, path in files.items()}

    shown = place.tls.client_certificates
    by_url = opened(f"{base}?sslmode=verify-full&" + "&".join(f"{n}={p}" for n, p in files.items()), place)
    after_url = place.tls.client_certificates
    by_variables = opened(base, place, PGSSLMODE="verify-full", **variables)

    assert (by_url, by_variables) == ("up to date", "up to date")
    assert shown < after_url < place.tls.client_certificates


# ---------------------------------------------------------------- roles


def test_a_role_that_owns_nothing_serves_what_another_one_has_migrated(place: Place, tmp_path: Path) -> None:
    owner = place.url(f"postgresql://tasksvc:{ENCODED}@db.example/tasks")
    assert opened(owner, place) == "up to date"
    execute(place.server.url, "CREATE ROLE tasksvc_service LOGIN PASSWORD 'service'")
    inside = place.server.url.replace("/postgres?", "/tasks?")
    for statement in PAGE.section("Roles and schemas").blocks("sql")[0].strip().splitlines():
        execute(inside, statement)
    url = f"postgresql://tasksvc_service:service@localhost:{place.server.port}/tasks"

    with RunningService("--store", url, folder=tmp_path) as service:
        created = ask(service.url, "POST", "/tasks/", {"description": "x"}, {"Idempotency-Key": "1"})
        batch = [{"op": "update", "id": created.document["id"], "patch": {"done": True}}]
        updated = ask(service.url, "POST", "/tasks/batch", batch)
        deleted = ask(service.url, "DELETE", "/tasks/?done=true")
        changes = ask(service.url, "GET", "/changes?since=0")

    assert (created.status, updated.status, deleted.status, changes.status) == (201, 200, 200, 200)


def test_a_role_that_may_only_read_exports_and_checks(place: Place, tmp_path: Path) -> None:
    owner = place.url(f"postgresql://tasksvc:{ENCODED}@db.example/tasks")
    assert opened(owner, place) == "up to date"
    execute(place.server.url, "CREATE ROLE tasksvc_reader LOGIN PASSWORD 'reader'")
    inside = place.server.url.replace("/postgres?", "/tasks?")
    for statement in PAGE.section("Roles and schemas").blocks("sql")[1].strip().splitlines():
        execute(inside, statement)
    url = f"postgresql://tasksvc_reader:reader@localhost:{place.server.port}/tasks"

    exported = run_tasksvc("export", "tasks.jsonl", "--store", url, folder=tmp_path)
    checked = run_tasksvc("check", "--store", url, folder=tmp_path)
    served = run_tasksvc("migrate", "--store", url, folder=tmp_path)

    assert (exported.returncode, checked.returncode) == (0, 0)
    assert served.returncode == 1
    assert "The role tasksvc_reader lacks UPDATE on the table tasksvc.store" in served.stderr
