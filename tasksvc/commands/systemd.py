"""Tells systemd how the service is (sd_notify(3)); does nothing where systemd did not start it."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Sends READY=1 or STOPPING=1.  That it cannot be sent is no reason to fail."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path or not hasattr(socket, "AF_UNIX"):
        return
    address = "\0" + path[1:] if path.startswith("@") else path  # an abstract socket
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), address)
