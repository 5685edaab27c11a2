"""Secrets, signatures and ids of messages, as Standard Webhooks 1.0 has them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets as random
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
"""What a secret begins with."""
SECRET_BYTES: Final = 32
"""Random bytes of a new secret.  Standard Webhooks allows 24 to 64."""


def new_secret() -> str:
    """Returns a random secret: PREFIX and the base64 of SECRET_BYTES bytes."""
    return PREFIX + base64.b64encode(random.token_bytes(SECRET_BYTES)).decode()


def sign(secrets: Sequence[str], id: str, timestamp: int, body: bytes) -> str:  # noqa: A002
    """Returns the value of `webhook-signature`: one signature for each of the secrets, separated by spaces.

    `timestamp` is the value of `webhook-timestamp`, in seconds.  Raises ValueError if a secret isn't PREFIX and base64;
    the message doesn't hold it.
    """
    content = b".".join((id.encode(), str(timestamp).encode(), body))
    return " ".join(f"v1,{_digest(_key(secret), content)}" for secret in secrets)


def message_id(webhook: str, workspace: str, generation: str, seq: int) -> str:
    """Returns the id of the message that gives a webhook a change: the same at every attempt, and without a dot.

    A dot would make the signed content ambiguous.
    """
    whole = json.dumps([webhook, workspace, generation, seq])
    return f"msg_{hashlib.sha256(whole.encode()).hexdigest()[:32]}"


def _digest(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode()


def _key(secret: str) -> bytes:
    """Returns the bytes that a secret stands for."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not key:
        raise ValueError(f"The secret of a webhook isn't {PREFIX} and base64.")
    return key
