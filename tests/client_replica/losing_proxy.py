"""A TCP proxy that loses writes, before the service gets them or after it has done them."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from types import TracebackType

WRITES = (b"POST", b"PATCH", b"DELETE")


class LosingProxy:
    """Listens on a free port of 127.0.0.1, from the start of the `with` block to its end."""

    def __init__(self, port: int) -> None:
        """Prepares a proxy for `port` of 127.0.0.1."""
        self.port_there = port
        self.loses = "request"
        """Says what is lost of every POST, PATCH and DELETE: `request` or `answer`."""
        self.lost = 0
        """How many of them were lost."""
        self._mute = set[socket.socket]()
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy.serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve(self, here: socket.socket) -> None:
        """Passes on what one connection sends and gets."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port_there)) as there:
            threading.Thread(target=self._pass_answers, args=[there, here], daemon=True).start()
            while piece := here.recv(65_536):
                if piece.startswith(WRITES) and self.loses == "request":
                    self.lost += 1
                    break
                if piece.startswith(WRITES) and self.loses == "answer":
                    self._mute.add(there)
                there.sendall(piece)
        self._end(here)

    def _pass_answers(self, there: socket.socket, here: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := there.recv(65_536):
                if there in self._mute:
                    self.lost += 1
                    break
                here.sendall(piece)
        self._end(here)

    @staticmethod
    def _end(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> LosingProxy:
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
