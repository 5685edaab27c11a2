"""A service, and configurations of nginx and Caddy that lead to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clients.conftest import run_example
from pages import Page
from service_process import RunningService

__all__ = ["run_example"]

PAGE = Page.named("docs/proxies.md").section("Below a path")
PREFIX = "/todo"

STRIPPING = {
    "nginx": """
upstream tasksvc {{ server 127.0.0.1:{service}; }}
server {{
    listen 127.0.0.1:{listen};
    proxy_set_header Host $http_host;
    {block}
    location / {{ return 200; }}
}}
""",
    "caddy": """
http://:{listen} {{
	bind 127.0.0.1
	{block}
	respond 200
}}
""",
}
"""Configurations, by proxy, that strip PREFIX as the page shows, and answer other paths with an empty 200."""


def stripping(proxy: str, *, listen: int, service: int) -> str:
    """Returns the configuration of a proxy that strips PREFIX; the two ports are its own and the service's."""
    (block,) = PAGE.blocks({"nginx": "nginx", "caddy": "caddyfile"}[proxy])
    return STRIPPING[proxy].format(
        listen=listen, service=service, block=block.replace("127.0.0.1:8000", f"127.0.0.1:{service}")
    )


KEEPING = {
    "nginx": """
upstream service {{
    server 127.0.0.1:{service};
    keepalive 4;
    keepalive_timeout {idle};
}}
server {{
    listen 127.0.0.1:{listen};
    location / {{
        proxy_pass http://service;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Connection "";
    }}
}}
""",
    "nginx that passes Upgrade on": """
map $http_upgrade $wish {{ default upgrade; "" ""; }}
upstream service {{
    server 127.0.0.1:{service};
    keepalive 4;
    keepalive_timeout {idle};
}}
server {{
    listen 127.0.0.1:{listen};
    location / {{
        proxy_pass http://service;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $wish;
    }}
}}
""",
    "caddy": """
http://:{listen} {{
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:{service} {{
		transport http {{
			keepalive {idle}
		}}
	}}
}}
""",
}
"""Configurations, by name, that keep connections to the service for at most `idle`."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("service")
    with RunningService("--store", "memory://", "--log-format", "none", folder=folder) as service:
        yield service
