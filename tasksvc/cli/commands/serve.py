"""tasksvc serve: runs the service."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import os
import shlex
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

from tasksvc.api.server import unix_socket
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.retention import Retention
from tasksvc.cli.advice import with_advice
from tasksvc.cli.announcing import Announcer
from tasksvc.cli.arguments import Option, count, days, host_name, option, origin, port, rate, seconds, store_option
from tasksvc.cli.command import Command, describe
from tasksvc.cli.imports import ended_by_interrupts, quick_imports
from tasksvc.cli.logs import set_up, wants_json
from tasksvc.cli.plugin_options import chosen_plugins, plugin_choice, setting_options
from tasksvc.cli.process import notify, set_exit_deadline
from tasksvc.cli.token_file import read_token_file
from tasksvc.cli.variables import ADMIN_TOKEN_FILE, unknown_variable
from tasksvc.domain.errors import TasksvcError
from tasksvc.ports.store_url import StoreURL
from tasksvc.store_adapters import admin_socket

if TYPE_CHECKING:
    from tasksvc.api.jwt_login.login import JWTSettings
    from tasksvc.api.options import Options
    from tasksvc.api.plugins.loading import Plugin

ADVICE = (
    "If clients use this name, allow it with --allowed-host.",
    "If the page is the service's own, let its proxy send X-Forwarded-Proto and X-Forwarded-Host, and name the proxy"
    " with --trusted-proxy. If it's another page that may write, name its origin with --cors-origin.",
)
"""Added to the log lines about requests with a refused host, and about writes from a refused origin."""

ARGUMENTS = "tasksvc.arguments"
"""Key of the command's arguments, unparsed, in the context's `meta`."""
ACTIVE, OF_PLUGINS = "tasksvc.plugins", "tasksvc.plugin-options"
"""Keys of the active plugins, and of their options, there."""
DRAIN_SECONDS = 7.0
"""Seconds that requests in flight get to finish after a signal.  With what follows, the process ends within ten."""

log = logging.getLogger("tasksvc")


class InvalidSettings(TasksvcError):
    """The settings ask for something that is not safe or not possible."""


@dataclass(frozen=True)
class Settings:
    """The options of `tasksvc serve`, by their names."""

    host: str
    port: int
    admin_host: str
    admin_port: int | None
    allowed_host: tuple[str, ...]
    trusted_proxy: tuple[str, ...]
    cors_origin: tuple[str, ...]
    keep_alive: float | None
    stop_delay: float
    store: str | None
    keep_days: float
    keep_changes: int
    open: bool
    jwt_issuer: str | None
    jwt_key: Path | None
    jwt_audience: str | None
    jwt_workspace: str
    rate: float | None
    burst: int
    streams: int
    body_max: int
    batch_max: int
    workspace_tasks: int | None
    plugins: tuple[str, ...] | None
    no_plugins: bool
    log_format: Literal["text", "json", "none"]
    reload: bool


class Extensions(NamedTuple):
    """The active plugins, and the values of their settings by their flags."""

    plugins: Sequence[Plugin]
    settings: Mapping[str, Any]


class Serve(Command):
    """A command that has the options of plugins too.

    It refuses its arguments in the form of its log, which may be JSON Lines.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        given = list(args)
        if not extra.get("resilient_parsing") and wants_json(args, os.environ):
            set_up("json")  # now, since what is wrong with the arguments is a line of the log too
            try:
                context = super().make_context(info_name, args, parent, **extra)
            except click.UsageError as error:
                log.error("%s", describe(error))
                raise click.exceptions.Exit(2) from None
            except TasksvcError as error:
                log.error("%s", with_advice(error))
                raise click.exceptions.Exit(1) from None
        else:
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[ARGUMENTS] = given
        return context

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Loads the plugins that are active, whose options are parsed too.  Raises PluginError."""
        self._load_plugins(ctx, args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Returns the options, and those of plugins after them.  Raises PluginError."""
        if OF_PLUGINS not in ctx.meta:
            self._load_plugins(ctx, [])
        return [*super().get_params(ctx), *ctx.meta[OF_PLUGINS]]

    def _load_plugins(self, ctx: click.Context, args: list[str]) -> None:
        ctx.meta[ACTIVE] = chosen_plugins(args)
        own = [name for parameter in super().get_params(ctx) for name in parameter.opts]
        ctx.meta[OF_PLUGINS] = setting_options(ctx.meta[ACTIVE], own)

    def unknown_variable(self, ctx: click.Context) -> str | None:
        """Returns what is wrong with a variable; those of active plugins are known."""
        return unknown_variable(os.environ, [str(option.envvar) for option in ctx.meta[OF_PLUGINS]])


def _switch(flag: str, section: str, text: str) -> Callable[[Any], Any]:
    return click.option(flag, cls=Option, section=section, is_flag=True, help=text)


_NETWORK, _STORE, _CLIENTS, _LOG = "Network", "Store", "Clients", "Log and development"


@click.command(
    "serve",
    cls=Serve,
    help="Run the service until it gets SIGINT (Ctrl-C), SIGTERM or SIGHUP. 'tasksvc' without a command does the same,"
    " as in 'tasksvc --port 0'.",
    variables={ADMIN_TOKEN_FILE: "A file with the token of an administrator."},
)
@store_option("The URL of the store, which is kept; without it sqlite:///tasks.db is scratch.", section=_STORE)
@option("--keep-days", days, "DAYS", "How long changes stay in the log.", default="30", section=_STORE)
@option(
    "--keep-changes",
    count,
    "COUNT",
    "How many changes stay in the log of each workspace.",
    default="1000000",
    section=_STORE,
)
@option(
    *("--host", str, "ADDRESS", "The address to listen on; one that isn't loopback needs tokens or --open."),
    default="127.0.0.1",
    section=_NETWORK,
)
@option("--port", port, "PORT", "The port to listen on; 0 picks a free one.", default="8000", section=_NETWORK)
@option("--admin-host", str, "ADDRESS", "The address for --admin-port.", default="127.0.0.1", section=_NETWORK)
@option(
    *("--admin-port", port, "PORT", "A port for health and metrics, which then are not on the public one."),
    section=_NETWORK,
)
@option(
    *("--allowed-host", host_name, "HOST", "A name of the service, beside those of this machine; repeatable."),
    multiple=True,
    section=_NETWORK,
)
@option(
    *("--trusted-proxy", str, "ADDRESS", "A proxy or network whose X-Forwarded headers count; repeatable."),
    multiple=True,
    section=_NETWORK,
)
@option(
    *("--cors-origin", origin, "ORIGIN", "An origin, such as https://app.example, that may use the API; repeatable."),
    multiple=True,
    section=_NETWORK,
)
@option(
    *("--keep-alive", seconds, "SECONDS", "How long a connection may be idle: 75, longer than balancers keep it."),
    section=_NETWORK,
)
@option(
    *("--stop-delay", seconds, "SECONDS", "Time with readiness off after a signal, for load balancers."),
    default="0",
    section=_NETWORK,
)
@_switch("--open", _CLIENTS, "Require no tokens: anyone who can reach the address may read and write.")
@option(
    *("--jwt-issuer", str, "URL", "Take tokens of this identity provider, whose keys it publishes."),
    section=_CLIENTS,
)
@option(
    *(
        "--jwt-key",
        click.Path(path_type=Path),
        "FILE",
        "The key of these tokens: public, as PEM or JWKS, or a secret.",
    ),
    section=_CLIENTS,
)
@option("--jwt-audience", str, "AUDIENCE", "What these tokens must be for; required with them.", section=_CLIENTS)
@option(
    *("--jwt-workspace", str, "TEMPLATE", "The home of their owners, made of their claims."),
    default="u_{sub}",
    section=_CLIENTS,
)
@option("--rate", rate, "RATE", "Requests a second for each token, or address without one.", section=_CLIENTS)
@option("--burst", count, "COUNT", "Requests at once, where there is a rate.", default="100", section=_CLIENTS)
@option("--streams", count, "COUNT", "Streams and whole lists at once.", default="1000", section=_CLIENTS)
@option("--body-max", count, "BYTES", "The largest body.", default="262144", section=_CLIENTS)
@option("--batch-max", count, "BYTES", "The largest batch.", default="8388608", section=_CLIENTS)
@option("--workspace-tasks", count, "COUNT", "Tasks that a workspace may have.", section=_CLIENTS)
@plugin_choice
@option(
    *("--log-format", click.Choice(["text", "json", "none"]), "FORMAT"),
    "text, json, or none for text without a line for each request.",
    default="text",
    section=_LOG,
)
@_switch("--reload", _LOG, "Restart when the code changes; each restart empties a scratch store.")
@click.pass_context
def command(context: click.Context, /, **values: Any) -> None:
    """Runs the service, or a process that restarts it.  Raises what is wrong as a TasksvcError, or logs it as JSON."""
    if values["plugins"] is not None and values["no_plugins"]:
        raise click.UsageError("--plugins and --no-plugins exclude each other.")
    of_plugins = {option.opts[0]: values.pop(str(option.name)) for option in context.meta[OF_PLUGINS]}
    settings = Settings(**values)
    extensions = Extensions(context.meta[ACTIVE], of_plugins)
    arguments, timeouts = context.meta[ARGUMENTS], context.obj or Timeouts(drain=DRAIN_SECONDS)
    if settings.keep_alive is not None:
        timeouts = timeouts._replace(idle=settings.keep_alive)
    if settings.log_format != "json":
        return _run(settings, extensions, timeouts, arguments)
    try:
        return _run(settings, extensions, timeouts, arguments)
    except TasksvcError as error:
        log.error("%s", with_advice(error))
        context.exit(1)


def _run(settings: Settings, extensions: Extensions, timeouts: Timeouts, arguments: Sequence[str]) -> None:
    with ended_by_interrupts():  # until the service handles signals itself
        if settings.log_format != "json":
            set_up("text")
        if not settings.reload:
            _run_until_done(_serve(settings, extensions, timeouts))
    if settings.reload:
        _reload(arguments)


async def _serve(settings: Settings, extensions: Extensions, timeouts: Timeouts) -> None:
    with quick_imports():
        from tasksvc.api.app import AUTHENTICATOR, HAS_PAGE, HEALTH_APP, RUNTIME, create_app
        from tasksvc.api.options import SCRATCH_STORE
        from tasksvc.api.server.listener import Listener, serve
        from tasksvc.application.heap import keep_little

        keep_little()
        app = create_app(settings.store, _options(settings, extensions, timeouts))
        gc.freeze()  # what is imported stays, and looking through it takes 40 ms each time
    listeners = [Listener(app, settings.host, settings.port)]
    if settings.admin_port is not None:
        listeners.append(Listener(app[HEALTH_APP], settings.admin_host, settings.admin_port))

    announcer = Announcer(
        StoreURL(settings.store or SCRATCH_STORE),
        scratch=settings.store is None,
        in_json=settings.log_format == "json",
    )
    app[RUNTIME].ended = announcer.ended

    def ready(ports: Sequence[int]) -> None:
        everybody = "everybody on this machine" if is_loopback(settings.host) else "everybody who reaches it"
        announcer.ready(
            _url(settings.host, ports[0]),
            has_page=app[HAS_PAGE],
            open_to="those who have a token" if app[AUTHENTICATOR].is_closed else everybody,
            durable=app[RUNTIME].is_durable,
            plugins=[f"{plugin.name} {plugin.version}" for plugin in extensions.plugins],
            admin_url=_url(settings.admin_host, ports[1]) if len(ports) > 1 else None,
        )
        notify("READY=1")

    def stopping() -> None:
        notify("STOPPING=1")
        set_exit_deadline(timeouts.exit, after=settings.stop_delay)

    await serve(
        listeners,
        ready=ready,
        stopping=stopping,
        stop_delay=settings.stop_delay,
        admin_socket=admin_socket(announcer.store) if unix_socket.AVAILABLE else None,
    )


def _options(settings: Settings, extensions: Extensions, timeouts: Timeouts) -> Options:
    from tasksvc.api.observability.access_log import RequestLog
    from tasksvc.api.options import Options
    from tasksvc.api.pipeline.auth import TokenPolicy
    from tasksvc.api.pipeline.origin_check import LOOPBACK_HOSTS, Advice, OriginCheck
    from tasksvc.api.pipeline.rate_limit import RateLimits
    from tasksvc.api.pipeline.trusted_proxies import TrustedProxies
    from tasksvc.application.memory_shares import memory_limit

    local = is_loopback(settings.host)
    exposed = not local or settings.allowed_host or settings.trusted_proxy
    tokens = TokenPolicy.ALWAYS if exposed else TokenPolicy.WHEN_TOKENS_EXIST
    hosts = set(settings.allowed_host)
    proxies = TrustedProxies(settings.trusted_proxy) if settings.trusted_proxy else None
    advice = Advice(*ADVICE)
    token_file = os.environ.get(ADMIN_TOKEN_FILE) or None
    jwt = _jwt_settings(settings) if settings.jwt_issuer or settings.jwt_key or settings.jwt_audience else None
    return Options(
        origin_check=OriginCheck(
            LOOPBACK_HOSTS | hosts if local or hosts else None,
            settings.cors_origin,
            proxies=proxies,
            advice=advice,
        ),
        # On other addresses probes and Prometheus come by whatever address they find.
        health_origin_check=OriginCheck(LOOPBACK_HOSTS | hosts, advice=advice)
        if is_loopback(settings.admin_host)
        else None,
        tokens=TokenPolicy.NEVER if settings.open else tokens,
        jwt=jwt,
        admin_token=None if token_file is None else read_token_file(token_file),
        allowance=RateLimits(settings.rate, settings.burst, settings.streams),
        cors_origins=frozenset(settings.cors_origin),
        request_log=None if settings.log_format == "none" else RequestLog(settings.log_format),
        proxies=proxies,
        operations=settings.admin_port is None,
        plugins=extensions.plugins,
        plugin_settings=extensions.settings,
        memory_limit=memory_limit(),
        limits=Limits(
            body_bytes=settings.body_max, batch_bytes=settings.batch_max, workspace_tasks=settings.workspace_tasks
        ),
        timeouts=timeouts,
        retention=Retention(max_age=timedelta(days=settings.keep_days), max_changes=settings.keep_changes),
    )


def _jwt_settings(settings: Settings) -> JWTSettings:
    """Returns what the tokens of an identity provider must say.  Raises InvalidSettings, and what is wrong in it."""
    if not settings.jwt_issuer and settings.jwt_key is None:
        raise InvalidSettings("--jwt-audience needs --jwt-issuer, or --jwt-key.")
    if not settings.jwt_audience:
        raise InvalidSettings("--jwt-issuer and --jwt-key need --jwt-audience: what the tokens must be for.")
    try:
        from tasksvc.api.jwt_login.claims import WorkspaceTemplate
        from tasksvc.api.jwt_login.issuer import IssuerKeys
        from tasksvc.api.jwt_login.keys import KeySource, keys_of_file
        from tasksvc.api.jwt_login.login import JWTSettings
    except ImportError:
        raise InvalidSettings(
            "--jwt-issuer and --jwt-key need PyJWT. Install it with: pip install 'tasksvc[jwt]'"
        ) from None
    keys: KeySource
    if settings.jwt_key is not None:
        keys = keys_of_file(settings.jwt_key)
    else:
        assert settings.jwt_issuer is not None
        keys = IssuerKeys(settings.jwt_issuer)
    return JWTSettings(
        keys, settings.jwt_audience, settings.jwt_issuer or None, WorkspaceTemplate.parse(settings.jwt_workspace)
    )


def _url(host: str, port: int) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104  # every address of this machine, and no address to open in a browser
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Returns whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reload(arguments: Sequence[str]) -> None:
    """Runs the command with `arguments` but --reload, again whenever Python files in the working directory change."""
    try:
        import watchfiles
    except ImportError:
        raise InvalidSettings("--reload needs watchfiles. Install it with: pip install 'tasksvc[reload]'") from None
    rest = [argument for argument in arguments if argument != "--reload"]
    command = shlex.join([sys.executable, "-m", "tasksvc", "serve", *rest])
    watchfiles.run_process(".", target=command, target_type="command", watch_filter=watchfiles.PythonFilter())


def _run_until_done(main: Coroutine[Any, Any, None]) -> None:
    """Runs `main` to its end, on uvloop where that is installed."""
    run: Callable[[Coroutine[Any, Any, None]], None]
    try:
        from uvloop import run
    except ImportError:
        run = asyncio.run
    run(main)
