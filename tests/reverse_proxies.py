"""The proxies nginx and Caddy, as processes with a configuration of the test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from patience import PATIENCE_SECONDS, wait_until
from requirements import find_program

NGINX = """
{user}daemon off;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
{sites}
}}
"""
CADDY = """{{
	admin off
	auto_https disable_redirects
	local_certs
	skip_install_trust
}}
{sites}"""
CADDY_AUTHORITY = ".local/share/caddy/pki/authorities/local/root.crt"
"""Path in a Caddy's folder: the certificate of the authority that it creates for names without a public one."""


class ReverseProxy:
    """A proxy that listens from the start of the `with` block to its end."""

    def __init__(self, command: list[str], *, folder: Path, port: int, variables: dict[str, str]) -> None:
        """Prepares a proxy that works in `folder` and listens on `port` of 127.0.0.1."""
        self.port = port
        self._command, self._folder = command, folder
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ReverseProxy:
        with (self._folder / "proxy.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log
            )
        try:
            wait_until(self._listens)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"The proxy did not start: {(self._folder / 'proxy.log').read_text()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS).close()
        except ConnectionRefusedError:
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE_SECONDS)
            finally:
                process.kill()
                process.wait()


def nginx(sites: str, *, folder: Path, port: int, variables: dict[str, str] | None = None) -> ReverseProxy:
    """Returns an nginx with `sites` in its `http` block, one of which listens on `port`."""
    program = find_program("nginx")
    user = "user root;\n" if os.geteuid() == 0 else ""  # the user for its workers can't enter the folders of tests
    (folder / "nginx.conf").write_text(NGINX.format(user=user, sites=sites))
    command = [program, "-p", str(folder), "-e", "stderr", "-c", "nginx.conf"]
    return ReverseProxy(command, folder=folder, port=port, variables=variables or {})


def caddy(sites: str, *, folder: Path, port: int, variables: dict[str, str] | None = None) -> ReverseProxy:
    """Returns a Caddy with `sites` as its Caddyfile, one of which listens on `port`.

    `variables` are the environment variables that the Caddyfile refers to.
    """
    program = find_program("caddy")
    (folder / "Caddyfile").write_text(CADDY.format(sites=sites))
    command = [program, "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
    return ReverseProxy(command, folder=folder, port=port, variables=variables or {})


PROXIES: dict[str, Callable[..., ReverseProxy]] = {"nginx": nginx, "caddy": caddy}
