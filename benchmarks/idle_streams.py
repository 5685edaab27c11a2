"""Measures the processor time of streams of changes on which nothing happens.

    python benchmarks/idle_streams.py                  # 2,000 streams, three pairs, about five minutes
    python benchmarks/idle_streams.py --streams 10000 --pairs 1
    python benchmarks/idle_streams.py --beside FOLDER  # pairs with the sources of another version

Each stream follows another workspace: without a token, with one token for all of them, or with a token of its own. The
servers of a pair run on one core at the same time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import socket
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from run import Server, Target, _on_load_core, machine

from tasksvc.application.tokens import new_secret

SETTLE_SECONDS = 2.0
KINDS = ("without a token", "one token for all", "a token for each")


def connect(server: Server, kind: str, admin: str, streams: int) -> list[socket.socket]:
    """Opens the streams of a server."""
    secrets = [admin] * streams
    if kind == KINDS[2]:
        secrets = [token_of(server, admin, number) for number in range(streams)]
    opened = []
    for number, secret in enumerate(secrets):
        stream = socket.create_connection(("127.0.0.1", server.port))
        authorization = "" if kind == KINDS[0] else f"Authorization: Bearer {secret}\r\n"
        stream.sendall(
            f"GET /workspaces/u_{number}/changes/stream HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n".encode()
        )
        received = b""
        while b"id: " not in received:
            received += stream.recv(4_096)
        opened.append(stream)
    return opened


def token_of(server: Server, admin: str, number: int) -> str:
    """Makes the token of a workspace."""
    body = json.dumps({"name": f"u_{number}", "scope": "read", "workspaces": [f"u_{number}"]}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /admin/tokens HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (admin.encode(), len(body), body)
        )
        answer = b""
        while data := connection.recv(65_536):
            answer += data
    secret: str = json.loads(answer.partition(b"\r\n\r\n")[2])["token"]
    return secret


def shares(servers: list[Server], seconds: float) -> list[float]:
    """Returns the part of a core that each server takes for that long."""
    began = [server.cpu() for server in servers]
    time.sleep(seconds)
    return [(server.cpu() - before) / seconds for server, before in zip(servers, began, strict=True)]


def shown(values: list[float], unit: str = "") -> str:
    """Returns the median of some values and their range."""
    digits = 2 if unit else 3
    return f"{statistics.median(values):.{digits}f}{unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    """Measures all kinds of streams and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2_000)
    parser.add_argument("--pairs", type=int, default=3, help="measurements of each kind")
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds of a measurement; heartbeats take 15")
    parser.add_argument("--beside", type=Path, help="a folder with the sources of another version")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    settings = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    _on_load_core()
    rows = []
    for kind in settings.kinds:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            admin = new_secret()
            (folder / "admin").write_text(admin)
            (folder / "admin").chmod(0o600)
            environment = {} if kind == KINDS[0] else {"TASKSVC_ADMIN_TOKEN_FILE": str(folder / "admin")}
            command = f"{{python}} -m tasksvc --port {{port}} --streams {settings.streams} --store sqlite:///{{file}}"
            targets = [Target(command, environment)]
            if settings.beside is not None:
                sources = f"{settings.beside}:{settings.beside / 'adapters'}"
                targets.append(Target(command, {**environment, "PYTHONPATH": sources}))
            servers = [stack.enter_context(Server(kind, target, "", ready="/health/live")) for target in targets]
            streams = [connect(server, kind, admin, settings.streams) for server in servers]
            time.sleep(SETTLE_SECONDS)
            rows.append((kind, [shares(servers, settings.seconds) for _ in range(settings.pairs)]))
            for stream in itertools.chain(*streams):
                stream.close()
    print(f"{machine()}; {settings.streams:,} streams; {settings.pairs} measurements of {settings.seconds:.0f} s.\n")
    print("| Streams | core | ratio to the other version |\n|---|---|---|")
    for kind, measured in rows:
        ratios = [one[0] / one[1] for one in measured if len(one) > 1]
        print(f"| {kind} | {shown([one[0] * 100 for one in measured], ' %')} | {shown(ratios) if ratios else ''} |")


if __name__ == "__main__":
    main()
