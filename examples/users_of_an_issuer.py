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

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tasksvc_client import Client, Problem

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


async def seen(tasks: Client) -> str:
    """Returns the tasks that a client sees, or why there are none."""
    try:
        return ", ".join([task.description async for task in tasks.find()])
    except Problem as problem:
        return str(problem)


async def main() -> None:
    """Lets Ann and Bob write and read."""
    with TemporaryDirectory() as folder:
        async with (
            service(Path(folder)) as url,
            Client(url, sign_in("ann")) as ann,
            Client(url, sign_in("bob")) as bob,
        ):
            await ann.create("Buy a present for Bob")
            await bob.create("Call the dentist")
            await bob.in_workspace("family").create("Book a table")
            print("Ann sees", await seen(ann))
            print("Bob sees", await seen(bob))
            print("Both see", await seen(ann.in_workspace("family")))
            print("Bob asks for Ann's:", await seen(bob.in_workspace("u_ann")))


if __name__ == "__main__":
    asyncio.run(main())
