"""A service, and configurations of nginx and Caddy that lead to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clients.conftest import run_example
from running_service import RunningService

__all__ = ["run_example"]

PREFIX = "/team/todo"

STRIPPING = {
    "nginx": """
server {{
    listen 127.0.0.1:{listen};
    location /team/todo/ {{
        proxy_pass http://127.0.0.1:{service}/;
        proxy_set_header Host $http_host;
    }}
    location / {{ return 200; }}
}}
""",
    "caddy": """
http://:{listen} {{
	bind 127.0.0.1
	handle_path /team/todo/* {{
		reverse_proxy 127.0.0.1:{service}
	}}
	respond 200
}}
""",
}
"""By proxy: what strips PREFIX, and answers other paths with an empty 200."""

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
"""By name, whose first word is the proxy: what keeps connections to the service, for `idle` at most."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("service")
    with RunningService("--store", "memory://", "--log-format", "none", folder=folder) as service:
        yield service
