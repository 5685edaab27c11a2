"""nginx and Caddy, as processes with a configuration of the test's."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import pytest

READY_SECONDS = 60.0
STOP_SECONDS = 60.0

NGINX = """
daemon off;
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


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class ReverseProxy:
    """A proxy that listens from the start of the `with` block to its end."""

    def __init__(self, command: list[str], *, folder: Path, port: int) -> None:
        """`folder` is the working directory; `port` of 127.0.0.1 is one that it listens on."""
        self.port = port
        self._command, self._folder = command, folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ReverseProxy:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._folder)}
        said = (self._folder / "proxy.log").open("wb")
        with said:
            self._process = subprocess.Popen(self._command, cwd=self._folder, env=environment, stdout=said, stderr=said)
        end = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.__exit__(None, None, None)
                raise AssertionError(f"The proxy did not start: {(self._folder / 'proxy.log').read_text()}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=READY_SECONDS).close()
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
                process.wait(STOP_SECONDS)
            finally:
                process.kill()
                process.wait()


def nginx(sites: str, *, folder: Path, port: int) -> ReverseProxy:
    """nginx with `sites` in its `http` block, one of which listens on `port`."""
    program = _installed("nginx")
    (folder / "nginx.conf").write_text(NGINX.format(sites=sites))
    return ReverseProxy([program, "-p", str(folder), "-e", "stderr", "-c", "nginx.conf"], folder=folder, port=port)


def caddy(sites: str, *, folder: Path, port: int) -> ReverseProxy:
    """Caddy with `sites` as its Caddyfile, one of which listens on `port`."""
    program = _installed("caddy")
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
    (folder / "Caddyfile").write_text(options + sites)
    return ReverseProxy([program, "run", "--adapter", "caddyfile", "--config", "Caddyfile"], folder=folder, port=port)


def _installed(name: str) -> str:
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip(f"There is no {name}. Install it (Debian: apt-get install {name}).")
    return program


def configuration(page: Path, language: str, mark: str) -> str:
    """The block of a Markdown page that is in `language` and has `mark` in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if mark in block]
    return str(found)
