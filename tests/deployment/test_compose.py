"""The services of compose.yaml, started as docs/deployment.md says, and upgraded as docs/upgrading.md says."""

from __future__ import annotations

import contextlib
import json
import re
import stat
import threading
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from http_client import ask, free_port
from pages import Page

from deployment.engine import Engine, until
from tasksvc.application.tokens import is_well_formed

pytestmark = pytest.mark.deployment

STEPS = Page.named("docs/deployment.md").section("Two replicas and a balancer").commands()
ROLLING = Page.named("docs/upgrading.md").section("Containers").commands()
UP = "docker compose up --detach --wait"
SERVICES = ("balancer", "database", "tasksvc-1", "tasksvc-2")
REPLICAS = ("tasksvc-1", "tasksvc-2")


class Running(NamedTuple):
    """The services of compose.yaml, once they run."""

    engine: Engine
    folder: Path
    """The folder that compose.yaml is in."""
    url: str
    """The URL where the balancer is published."""
    headers: dict[str, str]
    """Headers with the admin token."""
    printed: list[str]
    """What each of STEPS printed."""

    def compose(self, *words: str) -> str:
        """Runs docker-compose and returns its output."""
        return self.engine.run("docker-compose", *words, folder=self.folder).stdout

    def container(self, service: str) -> str:
        """Returns the name of the container that runs, or ran last."""
        return self.engine.run("bash", "-c", container_of(service)).stdout.strip()

    def health(self, service: str) -> str:
        return self.engine.health(self.container(service))

    def follow(self, steps: Sequence[str]) -> list[str]:
        """Follows steps of a page and returns the output of each."""
        return follow(self.engine, steps, self.folder, urlsplit(self.url).netloc)


def follow(engine: Engine, steps: Sequence[str], folder: Path, where: str) -> list[str]:
    """Runs `steps`, with `where` for the published address, and returns the output of each.

    The engine's own docker-compose lacks --wait, which waits until the named services are healthy.
    """
    written = []
    for step in steps:
        words = step.replace("127.0.0.1:8000", where).replace("docker compose", "docker-compose").split(" ")
        if "--wait" in words:
            words.remove("--wait")
            services = [word for word in words if word in SERVICES] or list(SERVICES)
            written.append(f"{' '.join(words)}; {' && '.join(map(healthy, services))}")
        else:
            written.append(" ".join(words))
    return engine.carry_out(written, folder)


def container_of(service: str) -> str:
    """Returns a shell command that prints a service's container, a hundred times as fast as docker-compose does."""
    labels = (f"service={service}", "oneoff=False")
    return " ".join(("docker ps --all --quiet", *(f"--filter label=com.docker.compose.{label}" for label in labels)))


def healthy(service: str) -> str:
    """Returns a shell command that waits until a service is healthy."""
    status = f"docker inspect --format '{{{{.State.Health.Status}}}}' $({container_of(service)})"
    return f"until [ $({status}) = healthy ]; do sleep 0.5; done"


@pytest.fixture(scope="module")
def running(
    engine: Engine, clone: Path, caddy_image: str, postgres_image: str, tag_of_tasksvc: None
) -> Iterator[Running]:
    where = f"127.0.0.1:{free_port()}"
    folder = clone / "examples" / "deployment"
    composed = folder / "compose.yaml"
    text = composed.read_text()
    assert text.count('"127.0.0.1:8000:8000"') == 1
    composed.write_text(text.replace("127.0.0.1:8000:8000", f"{where}:8000"))
    printed = follow(engine, STEPS, clone, where)
    secret = (folder / "secrets" / "admin-token").read_text().strip()
    yield Running(engine, folder, f"http://{where}", {"Authorization": f"Bearer {secret}"}, printed)
    engine.run("docker-compose", "down", "--volumes", folder=folder)


def test_the_steps_of_the_page_bring_everything_up(running: Running) -> None:
    created = ask(running.url, "POST", "/tasks/", {"description": "Water the plants"}, running.headers)
    refused = ask(running.url, "GET", "/tasks/")

    assert [running.health(service) for service in SERVICES] == ["healthy"] * 4
    assert (created.status, refused.status) == (201, 401)


def test_the_steps_create_a_token_for_a_client_and_an_export(running: Running) -> None:
    secret = next(text for step, text in zip(STEPS, running.printed, strict=True) if "token create" in step).strip()

    listed = ask(running.url, "GET", "/tasks/", headers={"Authorization": f"Bearer {secret}"})

    assert is_well_formed(secret)
    assert listed.status == 200
    assert '"export"' in (running.folder / "tasks.jsonl").read_text().splitlines()[0]


def test_secrets_are_for_their_owner_on_the_host_and_for_the_services_in_the_containers(running: Running) -> None:
    folder = stat.S_IMODE((running.folder / "secrets").stat().st_mode)
    environments = [
        running.engine.docker("inspect", "--format", "{{json .Config.Env}}", running.container(service))
        for service in SERVICES
    ]
    secrets = [(running.folder / "secrets" / name).read_text().strip() for name in ("admin-token", "database-password")]

    assert folder == 0o700
    assert [secret for secret in secrets for environment in environments if secret in environment] == []
    assert [secret for secret in secrets for service in SERVICES if secret in logs(running, service)] == []


def logs(running: Running, service: str) -> str:
    return running.engine.logs(running.container(service))


def test_only_the_balancer_is_published(running: Running) -> None:
    published = {
        service: json.loads(
            running.engine.docker(
                "inspect", "--format", "{{json .HostConfig.PortBindings}}", running.container(service)
            )
        )
        for service in SERVICES
    }

    assert [service for service, bindings in published.items() if bindings] == ["balancer"]


def test_both_replicas_serve_and_log_where_a_request_comes_from(running: Running) -> None:
    for _ in range(20):
        ask(running.url, "GET", "/tasks/?limit=1", headers=running.headers | {"X-Forwarded-For": "192.0.2.1"})

    def clients(service: str) -> set[str]:
        lines = [json.loads(line) for line in logs(running, service).splitlines() if line.startswith("{")]
        return {line["remote"] for line in lines if line.get("path", "").startswith("/tasks/")}

    until(lambda: all(clients(replica) for replica in REPLICAS), "both replicas have served")
    # The bridge between host and containers; the balancer's own address, or what a client claims, would be another.
    assert clients("tasksvc-1") | clients("tasksvc-2") == {"172.30.255.1"}


def test_an_event_arrives_through_the_balancer_while_the_stream_is_open(running: Running) -> None:
    parts = urlsplit(running.url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("GET", "/changes/stream", headers=running.headers)
    stream = connection.getresponse()

    ask(running.url, "POST", "/tasks/", {"description": "seen by a stream"}, running.headers)
    lines = iter(stream.readline, b"")
    event = next(line for line in lines if line.startswith(b"data:") and b"seen by a stream" in line)
    connection.close()

    assert b'"type":"created"' in event


def test_a_replica_that_dies_is_skipped_and_comes_back(running: Running) -> None:
    running.engine.kill(running.container("tasksvc-1"))

    shown = [ask(running.url, "GET", "/tasks/?limit=1", headers=running.headers).status for _ in range(20)]
    until(lambda: running.health("tasksvc-1") == "healthy", "the replica is back")

    assert shown == [200] * 20


class Writing(threading.Thread):
    """A client that creates tasks, one after another on one connection, without retries."""

    PAUSE_SECONDS = 0.01
    """Seconds between two tasks, so that machines with few cores get on with the upgrade."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self._running = running
        self._done = threading.Event()
        self.ids: list[int] = []
        self.failures: list[str] = []

    def run(self) -> None:
        parts = urlsplit(self._running.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        headers = self._running.headers | {"Content-Type": "application/json"}
        with contextlib.closing(connection):
            while not self._done.wait(self.PAUSE_SECONDS):
                try:
                    connection.request("POST", "/tasks/", json.dumps({"description": "rolling"}), headers)
                    answer = connection.getresponse()
                    body = answer.read()
                except (OSError, HTTPException) as error:
                    self.failures.append(repr(error))
                    connection.close()
                    continue
                if answer.status == 201:
                    self.ids.append(json.loads(body)["id"])
                else:
                    self.failures.append(f"{answer.status} {body[:200]!r}")

    def finish(self) -> None:
        self._done.set()
        self.join()


def test_replicas_are_replaced_one_by_one_without_a_failed_request(running: Running, clone: Path) -> None:
    before = [running.container(replica) for replica in REPLICAS]
    source = clone / "tasksvc" / "__init__.py"
    source.write_text(source.read_text() + '\n__newer__ = "yes"\n')
    build, *steps = ROLLING
    follow(running.engine, [build], clone, urlsplit(running.url).netloc)
    writers = [Writing(running) for _ in range(4)]
    for writer in writers:
        writer.start()

    follow(running.engine, steps, clone, urlsplit(running.url).netloc)
    for writer in writers:
        writer.finish()
    after = [running.container(replica) for replica in REPLICAS]
    newer = running.compose("exec", "-T", "tasksvc-2", "python3", "-c", "import tasksvc; print(tasksvc.__newer__)")
    there = ask(running.url, "GET", "/tasks/", headers=running.headers).document

    assert [failure for writer in writers for failure in writer.failures] == []
    assert set(before).isdisjoint(after)
    assert "yes" in newer
    assert {number for writer in writers for number in writer.ids} <= {task["id"] for task in there}


def test_a_replica_is_not_healthy_while_its_database_is_away(running: Running) -> None:
    running.compose("stop", "database")
    until(lambda: running.health("tasksvc-1") == "unhealthy", "the replica says that it cannot serve")
    refused = ask(running.url, "GET", "/health/ready")
    running.compose("start", "database")
    until(lambda: [running.health(service) for service in SERVICES] == ["healthy"] * 4, "all are healthy again")

    assert refused.status == 503
    assert ask(running.url, "GET", "/tasks/?limit=1", headers=running.headers).status == 200


def test_the_database_is_not_healthy_while_it_is_being_prepared(running: Running, postgres_image: str) -> None:
    described = Path(running.folder / "compose.yaml").read_text()
    check = json.loads("[" + re.findall(r'test: \["CMD", ("pg_isready".*)\]', described)[0] + "]")
    secret = f"{running.folder}/secrets/database-password:/run/secrets/database-password:ro"
    variables = {
        "POSTGRES_USER": "tasksvc",
        "POSTGRES_DB": "tasksvc",
        "POSTGRES_PASSWORD_FILE": "/run/secrets/database-password",
        "PREPARED_WHEN": "/tmp/go-on",  # noqa: S108  # in the container
    }
    options = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]

    def answers(*command: str) -> bool:
        return running.engine.run("docker", "exec", container, *command, check=False).returncode == 0

    with running.engine.container(postgres_image, options=["--volume", secret, *options]) as container:
        until(lambda: answers("pg_isready", "--host=/var/run/postgresql"), "the server that prepares it answers")
        early = answers(*check)
        running.engine.docker("exec", container, "touch", "/tmp/go-on")  # noqa: S108
        until(lambda: answers(*check), "it is ready in the end")

    assert not early
