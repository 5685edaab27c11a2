"""An aiohttp application with users of its own, each of whom has tasks of their own, beside those of a family.

Run it with `python examples/embedded_users.py`, and sign in: `curl -c jar -d name=ann http://127.0.0.1:8080/login`.
Then `curl -b jar http://127.0.0.1:8080/todo/tasks/` shows Ann's tasks, and `/todo/workspaces/family/tasks/` those that
everybody shares. A real application asks for a password, and keeps its sessions longer than a process runs.
"""

from __future__ import annotations

import secrets
from argparse import ArgumentParser

from aiohttp import web

from tasksvc.api import Caller, Options, create_app

sessions: dict[str, str] = {}
"""The users who are signed in, by the secrets of their cookies."""


async def sign_in(request: web.Request) -> web.Response:
    """Starts a session of the user whose name the form has."""
    name = str((await request.post()).get("name", ""))
    if not (name.isascii() and name.isalnum() and len(name) <= 50):
        raise web.HTTPUnprocessableEntity(text="A name has up to 50 letters and digits.\n")
    secret = secrets.token_urlsafe()
    sessions[secret] = name
    response = web.Response(text=f"Welcome, {name}.\n")
    response.set_cookie("session", secret, httponly=True, samesite="Strict")
    return response


async def identify(request: web.BaseRequest) -> Caller | None:
    """Tells the task service who sends a request, and which workspaces are theirs; the first is their home."""
    name = sessions.get(request.cookies.get("session", ""))
    return None if name is None else Caller(name, workspaces=(f"u_{name}", "family"))


def application(store: str) -> web.Application:
    """Returns the application, which keeps its tasks in `store`."""
    app = web.Application()
    app.router.add_post("/login", sign_in)
    app.add_subapp("/todo", create_app(store, Options(identify=identify)))
    return app


def main() -> None:
    """Runs the application until it's interrupted."""
    parser = ArgumentParser(description="An application with users, each of whom has tasks of their own.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--store", default="memory://")
    arguments = parser.parse_args()
    web.run_app(application(arguments.store), host="127.0.0.1", port=arguments.port)


if __name__ == "__main__":
    main()
