"""Two users of an identity provider, each of whom has tasks of their own, and a workspace that both of them see.

Run it with `python examples/users_of_an_issuer.py`. It starts the service, which knows the public key of the provider,
and plays the provider itself. The service needs no account of a user: each has a workspace as soon as they write.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER, AUDIENCE = "https://login.example", "tasks"
provider_key = Ed25519PrivateKey.generate()


def sign_in(user: str) -> str:
    """Returns what the provider gives a user: who they are, until when, and which workspaces they share."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "exp": int(time.time()) + 300}
    return jwt.encode({**claims, "tasksvc_workspaces": ["family"]}, provider_key, "EdDSA")


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[str]:
    """Runs the service for the users of the provider, and gives its URL."""
    public_key = folder / "provider.pem"
    public_key.write_bytes(provider_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tasksvc", "serve", "--store", "memory://", "--port", str(port)),
        *("--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE, "--jwt-key", str(public_key), "--log-format", "none"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # its log
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()  # that it is ready
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.communicate()


class User:
    """A user of an application, who shows their token with each request."""

    def __init__(self, url: str, name: str) -> None:
        self.session = aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {sign_in(name)}"})

    async def write(self, path: str, description: str) -> None:
        """Creates a task at a path."""
        async with self.session.post(path, json={"description": description}) as response:
            response.raise_for_status()

    async def read(self, path: str) -> str:
        """Returns the tasks at a path, or why there are none."""
        async with self.session.get(path) as response:
            found = await response.json()
        return ", ".join(task["description"] for task in found) if response.ok else str(found["detail"])


async def main() -> None:
    """Lets Ann and Bob write and read."""
    with TemporaryDirectory() as folder:
        async with service(Path(folder)) as url:
            ann, bob = User(url, "ann"), User(url, "bob")
            async with ann.session, bob.session:
                await ann.write("/tasks/", "Buy a present for Bob")
                await bob.write("/tasks/", "Call the dentist")
                await bob.write("/workspaces/family/tasks/", "Book a table")
                print("Ann sees", await ann.read("/tasks/"))
                print("Bob sees", await bob.read("/tasks/"))
                print("Both see", await ann.read("/workspaces/family/tasks/"))
                print("Bob asks for Ann's:", await bob.read("/workspaces/u_ann/tasks/"))


if __name__ == "__main__":
    asyncio.run(main())
