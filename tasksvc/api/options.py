"""The options of an application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tasksvc.api.observability.access_log import RequestLog
from tasksvc.api.pipeline.application_login import Identify
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.api.pipeline.origin_check import OriginCheck
from tasksvc.api.pipeline.rate_limit import RateLimits
from tasksvc.api.pipeline.trusted_proxies import TrustedProxies
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.retention import Retention

if TYPE_CHECKING:
    from tasksvc.api.jwt_login.login import JWTSettings
    from tasksvc.api.plugins.loading import Plugin

SCRATCH_STORE = "sqlite:///tasks.db"
"""The store of those who name none: emptied on shutdown."""


@dataclass(frozen=True)
class Options:
    """How an application behaves.

    By default it is open to everybody who reaches it, and checks neither Host nor Origin: an
    application that embeds the service has middlewares of its own for that.
    """

    origin_check: OriginCheck | None = None
    """Checks Host and Origin of each request; None checks neither."""
    health_origin_check: OriginCheck | None = None
    """Checks Host and Origin of requests for health and metrics on a port of their own."""
    tokens: TokenPolicy = TokenPolicy.NEVER
    identify: Identify | None = None
    """Returns who sends a request, for an application that knows its users.

    It's asked about each request that needs a caller.  If it returns None, the request needs a token: of the store,
    unless `tokens` says never.
    """
    jwt: JWTSettings | None = None
    """Takes the tokens of an identity provider too; needs the extra `jwt`."""
    admin_token: str | None = None
    """The secret of a token that may administer, which is put into the store if it is not there."""
    allowance: RateLimits = field(default_factory=RateLimits)
    """Limits what each caller may do."""
    cors_origins: frozenset[str] = frozenset()
    """Origins whose pages may use the API."""
    request_log: RequestLog | None = None
    """Writes a line for each request; None writes none."""
    proxies: TrustedProxies | None = None
    """Proxies whose headers say which client a request comes from."""
    operations: bool = True
    """Whether health and metrics are served beside the tasks."""
    retention: Retention = field(default_factory=Retention)
    memory_limit: int | None = None
    """Bytes that the process may occupy, to which fit_to_memory() reduces `limits`; None for no bound."""
    plugins: Sequence[Plugin] | None = None
    """The plugins that extend the service, as load_plugins() gives them; None for all that are installed."""
    plugin_settings: Mapping[str, Any] = field(default_factory=dict)
    """Values of the plugins' settings by their flags, such as `--webhook-allow`, where they aren't the defaults."""
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
