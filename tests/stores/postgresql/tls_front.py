"""A TLS proxy for a PostgreSQL server without TLS: it accepts TLS, and passes the content on in the clear."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path
from typing import Self

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""The message with which a client requests TLS (PostgreSQL's documentation, 54.7, SSLRequest)."""
CHUNK = 65_536


class TLSFront:
    """Listens on a port of 127.0.0.1 for a server on another one, from the start of the `with` block to its end."""

    def __init__(self, folder: Path, server_port: int) -> None:
        """Prepares a front; `folder` gets the keys and certificates."""
        self._server_port = server_port
        self.root, self.other = folder / "root.crt", folder / "other.crt"
        """The authority that signed the certificate, and an unrelated one."""
        self.certificate, self.key = folder / "server.crt", folder / "server.key"
        """The certificate for localhost and its key."""
        self.encrypted = self.client_certificates = 0
        """The numbers of connections so far: with TLS, and with a certificate of the client."""
        self._make_certificates(folder)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, self.key)
        self._context.load_verify_locations(self.root)
        self._context.verify_mode = ssl.CERT_OPTIONAL

    def _make_certificates(self, folder: Path) -> None:
        def openssl(*words: str | Path) -> None:
            subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=folder)  # noqa: S607

        new = ("req", "-newkey", "rsa:2048", "-nodes")
        for name in ("root", "other"):
            openssl(
                *new, "-x509", "-subj", f"/CN={name}", "-days", "2", "-out", f"{name}.crt", "-keyout", f"{name}.key"
            )
        (folder / "names").write_text("subjectAltName=DNS:localhost\n")
        openssl(*new, "-subj", "/CN=localhost", "-out", "server.csr", "-keyout", self.key)
        openssl(
            "x509", "-req", "-in", "server.csr", "-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", self.certificate,
        )  # fmt: skip
        self.key.chmod(0o600)

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(client)
            first = client.recv(len(SSL_REQUEST), socket.MSG_WAITALL)
            if first == SSL_REQUEST:
                client.sendall(b"S")
                client = stack.enter_context(self._context.wrap_socket(client, server_side=True))
                self.encrypted += 1
                self.client_certificates += client.getpeercert() is not None
                first = b""
            server = stack.enter_context(socket.create_connection(("127.0.0.1", self._server_port)))
            server.sendall(first)
            answering = threading.Thread(target=self._pass_on, args=[server, client], daemon=True)
            answering.start()
            self._pass_on(client, server)
            answering.join()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
