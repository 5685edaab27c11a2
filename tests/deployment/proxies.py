"""The proxies nginx and Caddy with the repository's own examples, for a service on loopback."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from http_client import Answer, free_port
from pages import Page
from patience import PATIENCE_SECONDS, wait_until
from reverse_proxies import CADDY_AUTHORITY, caddy, nginx

NAME = "tasks.example"
EXAMPLES = "examples/deployment"
SECTION = Page.named("docs/proxies.md").section("Below a path")


class Proxied(NamedTuple):
    """A service as clients reach it through a proxy."""

    url: str
    certificate: Path
    """The certificate of the authority that signed the proxy's certificate."""


class Client:
    """A client of `proxied` at its own address, which finds the public name on this machine."""

    def __init__(self, proxied: Proxied, headers: dict[str, str], *, address: str = "127.0.0.1") -> None:
        self._parts = urlsplit(proxied.url)
        self._trust = ssl.create_default_context(cafile=str(proxied.certificate))
        self._headers, self._address = headers, address

    def open(self, method: str, path: str, document: object = None, **headers: str) -> HTTPConnection:
        """Opens a connection and sends a request; `path` is absolute, or below the proxy's own."""
        connection = _Here(self._parts.hostname or "", self._parts.port, context=self._trust, timeout=120)
        connection.address = self._address
        body, kind = (None, {}) if document is None else (json.dumps(document), {"Content-Type": "application/json"})
        connection.request(method, urljoin(f"{self._parts.path}/", path), body, {**self._headers, **kind, **headers})
        return connection

    def ask(self, method: str, path: str, document: object = None, **headers: str) -> Answer:
        """Returns the response to one request."""
        with contextlib.closing(self.open(method, path, document, **headers)) as connection:
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())


class _Here(HTTPSConnection):
    address: str

    def connect(self) -> None:
        there = ("127.0.0.1", self.port)
        plain = socket.create_connection(there, timeout=120, source_address=(self.address, 0))
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)  # type: ignore[attr-defined]


@contextlib.contextmanager
def nginx_example(service_port: int, folder: Path, prefix: str) -> Iterator[Proxied]:
    """Runs nginx with nginx.conf; with `prefix`, the service is below the location that the page shows."""
    port, plain = free_port(), free_port()
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", "-days", "2",
         "-addext", f"subjectAltName=DNS:{NAME}", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    text = Page.named(f"{EXAMPLES}/nginx.conf").text
    if prefix:
        (block,) = SECTION.blocks("nginx")
        text = replaced(text, re.findall(r"^    location / \{.*?^    \}\n", text, re.MULTILINE | re.DOTALL)[0], block)
    for old, new in (
        ("127.0.0.1:8000", f"127.0.0.1:{service_port}"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/tasks.example", str(folder)),
    ):
        text = text.replace(old, new)
    with nginx(text, folder=folder, port=port):
        yield Proxied(f"https://{NAME}:{port}{prefix}", certificate)


@contextlib.contextmanager
def caddy_example(service_port: int, folder: Path, prefix: str) -> Iterator[Proxied]:
    """Runs Caddy with the Caddyfile; with `prefix`, the service is below the handler that the page shows."""
    port = free_port()
    where = f"127.0.0.1:{service_port}"
    text = Page.named(f"{EXAMPLES}/Caddyfile").text
    if prefix:
        (block,) = SECTION.blocks("caddyfile")
        head = re.findall(r"^\{\$TASKSVC_SITE.*\{\n", text, re.MULTILINE)[0]
        text = head + replaced(block, "127.0.0.1:8000", where) + "}\n"
    else:
        text = replaced(text, "tasksvc-1:8000 tasksvc-2:8000", where)
    certificate = folder / CADDY_AUTHORITY
    with caddy(text, folder=folder, port=port, variables={"TASKSVC_SITE": f"https://{NAME}:{port}"}):
        wait_until(lambda: certificate.exists() and _speaks_tls(port, certificate))
        yield Proxied(f"https://{NAME}:{port}{prefix}", certificate)


def _speaks_tls(port: int, certificate: Path) -> bool:
    """Returns whether the proxy has its certificate, which it requests from its authority after it listens."""
    trust = ssl.create_default_context(cafile=str(certificate))
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as plain:
        try:
            trust.wrap_socket(plain, server_hostname=NAME).close()
        except ssl.SSLError:
            return False
    return True


EXAMPLES_OF = {"nginx": nginx_example, "caddy": caddy_example}


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)
