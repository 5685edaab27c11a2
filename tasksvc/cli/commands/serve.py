"""tasksvc serve: runs the service."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import shlex
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tasksvc.api.server import unix_socket
from tasksvc.application.retention import Retention
from tasksvc.cli.advice import with_advice
from tasksvc.cli.announcing import Announcer
from tasksvc.cli.arguments import Flags, count, days, host_name, origin, port, rate, seconds
from tasksvc.cli.logs import set_up, wants_json
from tasksvc.cli.process import notify, set_exit_deadline
from tasksvc.cli.token_file import token_in
from tasksvc.domain.errors import TasksvcError
from tasksvc.plugins import admin_socket
from tasksvc.ports.store_url import StoreURL

if TYPE_CHECKING:
    from tasksvc.api.options import Options

ADVICE = (
    "If clients use this name, allow it with --allowed-host.",
    "If the page is the service's own, let its proxy send X-Forwarded-Proto and X-Forwarded-Host, and name the proxy"
    " with --trusted-proxy. If it's another page that may write, name its origin with --cors-origin.",
)
"""What the log says of requests whose host, and of writes whose origin, is refused."""

log = logging.getLogger("tasksvc")


class Refused(TasksvcError):
    """The settings ask for something that is not safe or not possible."""


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Runs the service, or a process that restarts it."""
    if not wants_json(arguments, environment):
        return _run(arguments, environment)
    set_up("json")  # now, since what is wrong with the arguments is a line of the log too
    try:
        _run(arguments, environment, refuse=log.error)
    except TasksvcError as error:
        log.error("%s", with_advice(error))
        raise SystemExit(1) from None


def _run(arguments: Sequence[str], environment: Mapping[str, str], refuse: Callable[[str], None] | None = None) -> None:
    settings = _flags(environment, refuse).parse_args(arguments)
    settings.admin_token_file = environment.get("TASKSVC_ADMIN_TOKEN_FILE") or None
    if settings.log_format != "json":
        set_up("text")
    if settings.reload:
        _reload(arguments)
    else:
        _run_until_done(_serve(settings))


def _flags(environment: Mapping[str, str], refuse: Callable[[str], None] | None) -> Flags:
    flags = Flags("serve", "Runs the service.", environment, refuse)
    flags.add("--host", str, "127.0.0.1", "the address to listen on; one that is not loopback needs tokens or --open")
    flags.add("--port", port, 8000, "the port to listen on; 0 picks a free one")
    flags.add_store("the URL of the store, which is kept; without it sqlite:///tasks.db is scratch")
    flags.add("--keep-days", days, 30, "how long changes stay in the log, in days")
    flags.add("--keep-changes", count, 1_000_000, "how many changes stay in the log")
    flags.add_list("--allowed-host", host_name, "a name that the service answers to, beside those of this machine")
    flags.add_list("--trusted-proxy", str, "the address or network of a proxy whose X-Forwarded headers count")
    flags.add_list("--cors-origin", origin, "an origin whose pages may use the API, such as https://app.example")
    flags.add("--rate", rate, None, "how many requests a second each token, or address without one, may send")
    flags.add("--burst", count, 100, "how many it may send at once, where there is a rate")
    flags.add("--streams", count, 1_000, "how many streams of changes and whole lists it may take at once")
    flags.add("--body-max", count, 256 * 1024, "bytes that a body may have")
    flags.add("--batch-max", count, 8 * 1024 * 1024, "bytes that a batch may have")
    flags.add("--keep-alive", seconds, None, "seconds that a connection may be idle: 75, longer than balancers keep it")
    flags.add("--stop-delay", seconds, 0, "seconds to go on after a signal with readiness off, for load balancers")
    flags.add("--admin-host", str, "127.0.0.1", "the address for --admin-port")
    flags.add("--admin-port", port, None, "a port for health and figures, which then are not on the public one")
    flags.add("--log-format", log_format, "text", "text, json, or none for no line for each request")
    flags.add_argument(
        "--open", action="store_true", help="ask for no tokens: everybody who reaches the address may read and write"
    )
    flags.add_argument(
        "--reload", action="store_true", help="restart when the code changes; each restart empties a scratch store"
    )
    return flags


def log_format(text: str) -> str:
    """A form of the log."""
    if text not in ("text", "json", "none"):
        raise argparse.ArgumentTypeError(f"{text!r} is no form of the log; it is text, json or none")
    return text


async def _serve(settings: argparse.Namespace) -> None:
    from tasksvc.api.app import ACCESS, OPERATIONS, SERVICE, create_app
    from tasksvc.api.options import SCRATCH_STORE
    from tasksvc.api.server.listener import Listener, serve
    from tasksvc.application.heap import keep_little

    keep_little()
    app = create_app(settings.store, _options(settings))
    listeners = [Listener(app, settings.host, settings.port)]
    if settings.admin_port is not None:
        listeners.append(Listener(app[OPERATIONS], settings.admin_host, settings.admin_port))

    announcer = Announcer(
        StoreURL(settings.store or SCRATCH_STORE),
        scratch=settings.store is None,
        in_json=settings.log_format == "json",
    )
    app[SERVICE].ended = announcer.ended

    def ready(ports: Sequence[int]) -> None:
        everybody = "everybody on this machine" if is_loopback(settings.host) else "everybody who reaches it"
        announcer.ready(
            _url(settings.host, ports[0]),
            open_to="those who have a token" if app[ACCESS].by_token else everybody,
            durable=app[SERVICE].is_durable,
            admin_url=_url(settings.admin_host, ports[1]) if len(ports) > 1 else None,
        )
        notify("READY=1")

    def stopping() -> None:
        notify("STOPPING=1")
        set_exit_deadline(after=settings.stop_delay)

    await serve(
        listeners,
        ready=ready,
        stopping=stopping,
        stop_delay=settings.stop_delay,
        idle_seconds=settings.keep_alive,
        admin_socket=admin_socket(announcer.store) if unix_socket.AVAILABLE else None,
    )


def _options(settings: argparse.Namespace) -> Options:
    from tasksvc.api.observability.access_log import RequestLog
    from tasksvc.api.options import Options
    from tasksvc.api.pipeline.auth import TokenPolicy
    from tasksvc.api.pipeline.origin_check import LOOPBACK_HOSTS, Advice, Guard
    from tasksvc.api.pipeline.rate_limit import Allowance
    from tasksvc.api.pipeline.trusted_proxies import Proxies
    from tasksvc.application.memory_shares import memory_limit

    local = is_loopback(settings.host)
    exposed = not local or settings.allowed_host or settings.trusted_proxy
    tokens = TokenPolicy.ALWAYS if exposed else TokenPolicy.IF_ANY
    hosts = set(settings.allowed_host)
    proxies = Proxies(settings.trusted_proxy) if settings.trusted_proxy else None
    advice = Advice(*ADVICE)
    return Options(
        guard=Guard(
            LOOPBACK_HOSTS | hosts if local or hosts else None,
            settings.cors_origin,
            proxies=proxies,
            advice=advice,
        ),
        # On other addresses probes and Prometheus come by whatever address they find.
        operations_guard=Guard(LOOPBACK_HOSTS | hosts, advice=advice) if is_loopback(settings.admin_host) else None,
        tokens=TokenPolicy.NEVER if settings.open else tokens,
        admin_token=None if settings.admin_token_file is None else token_in(settings.admin_token_file),
        allowance=Allowance(settings.rate, settings.burst, settings.streams),
        cors_origins=frozenset(settings.cors_origin),
        body_max=settings.body_max,
        batch_max=settings.batch_max,
        request_log=None if settings.log_format == "none" else RequestLog(settings.log_format),
        proxies=proxies,
        operations=settings.admin_port is None,
        memory_limit=memory_limit(),
        retention=Retention(log_age=timedelta(days=settings.keep_days), log_keep=settings.keep_changes),
    )


def _url(host: str, port: int) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104  # every address of this machine, and no address to open in a browser
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reload(arguments: Sequence[str]) -> None:
    """Runs this same command without --reload, again whenever Python files below the working directory change."""
    try:
        import watchfiles
    except ImportError:
        raise Refused("--reload needs watchfiles. Install it with: pip install 'tasksvc[reload]'") from None
    rest = [argument for argument in arguments if argument != "--reload"]
    command = shlex.join([sys.executable, "-m", "tasksvc", "serve", *rest])
    watchfiles.run_process(".", target=command, target_type="command", watch_filter=watchfiles.PythonFilter())


def _run_until_done(main: Coroutine[Any, Any, None]) -> None:
    """Runs `main` on uvloop where there is one."""
    run: Callable[[Coroutine[Any, Any, None]], None]
    try:
        from uvloop import run
    except ImportError:
        run = asyncio.run
    run(main)
