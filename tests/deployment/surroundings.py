"""What a Docker daemon needs around it, and would leave behind: a bridge, a route for its containers, folders."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BRIDGE = "tasksvc0"
"""The default network of containers."""
ADDRESSES = ("172.29.240.1/24", "172.30.255.1/28")
"""Addresses of the bridge, and of the network that compose.yaml describes."""
CONTROL_GROUP = "tasksvc-tests"
CONTROL_GROUPS = Path("/sys/fs/cgroup")
FOLDERS = (Path("/etc/docker"), Path("/run/docker"), Path("/run/containerd"))
"""Where daemons write files in any case. Each folder gets an empty file system that only the daemon sees."""
PREFIX = "tasksvc-docker-"
"""The prefix of the names of temporary folders."""
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")

_WAY_OUT = [
    *("POSTROUTING", "--source", ADDRESSES[0], "!", "--out-interface", BRIDGE),
    *("--match", "comment", "--comment", "tests of tasksvc", "--jump", "MASQUERADE"),
]
"""A rule for routing. The daemon would add its own chains for it."""


@contextmanager
def surroundings() -> Iterator[Path]:
    """A folder for a daemon, whose containers reach what this machine reaches."""
    forwarding = FORWARDING.read_text()
    missing = [folder for folder in FOLDERS if not folder.exists()]
    sweep()
    try:
        for folder in missing:
            folder.mkdir()
        FORWARDING.write_text("1")
        for command in (
            ["iptables", "--wait", "--table", "nat", "--append", *_WAY_OUT],
            ["ip", "link", "add", BRIDGE, "type", "bridge"],
            ["ip", "address", "add", ADDRESSES[0], "dev", BRIDGE],
            ["ip", "link", "set", BRIDGE, "up"],
        ):
            subprocess.run(command, check=True)
        yield Path(tempfile.mkdtemp(prefix=PREFIX))
    finally:
        sweep()
        FORWARDING.write_text(forwarding)
        for folder in missing:
            folder.rmdir()


def sweep() -> None:
    """Removes what these tests, or earlier ones that were killed, have left."""
    subprocess.run(["iptables", "--wait", "--table", "nat", "--delete", *_WAY_OUT], check=False, capture_output=True)
    listed = subprocess.run(["ip", "-json", "address"], check=True, capture_output=True).stdout
    for link in json.loads(listed):
        addresses = {f"{address.get('local')}/{address.get('prefixlen')}" for address in link.get("addr_info", ())}
        if link.get("ifname") == BRIDGE or addresses & set(ADDRESSES):
            subprocess.run(["ip", "link", "delete", link["ifname"]], check=True)
    for group in (CONTROL_GROUPS / CONTROL_GROUP, *CONTROL_GROUPS.glob(f"*/{CONTROL_GROUP}")):
        for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            folder.rmdir()
        with suppress(FileNotFoundError):  # or found by two names
            group.rmdir()
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        shutil.rmtree(folder)
