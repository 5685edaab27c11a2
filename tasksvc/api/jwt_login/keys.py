"""Keys that tokens are signed with: from a file, or as an issuer publishes them (RFC 7517)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import jwt

from tasksvc.domain.errors import TasksvcError

SECRET_BYTES_MIN: Final = 32
"""Bytes of a secret for HS256 (RFC 7518, section 3.2)."""
KEYS_MAX: Final = 100
"""Keys of a set that are read."""
ALGORITHMS: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
"""The algorithm of each kind of public key, by its type and curve.  A key is used with this algorithm alone."""
RSA_BITS_MIN: Final = 2_048
"""Bits of an RSA key (RFC 7518, section 3.3)."""


class KeyRefused(TasksvcError):
    """The key can't be read, or isn't one that tokens may be signed with."""


class Key(NamedTuple):
    """A key, with the one algorithm that it's used with (RFC 8725, section 3.1)."""

    kid: str | None
    """Its name in the head of tokens."""
    algorithm: str
    key: jwt.PyJWK


class KeySource(Protocol):
    """Knows the keys that are valid now."""

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """Returns the key for a token whose head says this; None if there is none.  Raises IssuerUnavailable."""

    async def holds(self, key: Key) -> bool:
        """Returns whether a key is still valid."""

    async def close(self) -> None:
        """Ends what still looks at the keys."""


class FixedKeys:
    """Keys that stay the same."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        return choose(self._keys, kid, algorithm)

    async def holds(self, key: Key) -> bool:
        return key in self._keys

    async def close(self) -> None:
        pass


def choose(keys: Iterable[Key], kid: str | None, algorithm: str) -> Key | None:
    """Returns the key named `kid`; without a name, the only one of the algorithm.  None if there is none."""
    fitting = [key for key in keys if key.algorithm == algorithm and kid in (None, key.kid)]
    if kid is not None and not fitting:  # a key without a name, as one of a PEM file, is meant by every name
        fitting = [key for key in keys if key.algorithm == algorithm and key.kid is None]
    return fitting[0] if len(fitting) == 1 else None


def keys_of_set(document: Any) -> list[Key]:
    """Returns the public keys of a JSON Web Key Set that sign tokens; others are skipped (RFC 7517, section 5).

    Raises KeyRefused if it isn't a set.
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise KeyRefused("This isn't a JSON Web Key Set, which has an array `keys`.")
    return [key for value in listed[:KEYS_MAX] if (key := _key_of(value)) is not None]


def _key_of(value: Any) -> Key | None:
    """Returns a public key of a set; None for one that doesn't sign tokens, or isn't known here."""
    if not isinstance(value, Mapping) or value.get("use", "sig") != "sig" or "d" in value:
        return None
    algorithm = ALGORITHMS.get((str(value.get("kty")), value.get("crv")))
    if algorithm is None or value.get("alg", algorithm) not in (algorithm, "Ed25519"):
        return None
    kid = value.get("kid")
    try:
        key = jwt.PyJWK(dict(value), algorithm)
    except (jwt.PyJWKError, jwt.InvalidKeyError, ValueError, TypeError, KeyError):
        return None
    if getattr(key.key, "key_size", RSA_BITS_MIN) < (RSA_BITS_MIN if algorithm == "RS256" else 0):
        return None
    return Key(kid if isinstance(kid, str) else None, algorithm, key)


def keys_of_file(path: Path) -> FixedKeys:
    """Returns the keys in a file: a public key in PEM, a JSON Web Key Set, or a secret of 32 bytes at least.

    Raises KeyRefused.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KeyRefused(f"The file {path} cannot be read: {error.strerror}.") from None
    if b"PRIVATE KEY" in content:
        raise KeyRefused(f"The file {path} holds a private key. Give the service the public one.")
    if b"-----BEGIN" in content:
        return FixedKeys([_key_of_pem(content, path)])
    try:
        document = json.loads(content)
    except ValueError:
        return FixedKeys([_secret(content.strip(), path)])
    try:
        keys = keys_of_set(document)
    except KeyRefused as error:
        raise KeyRefused(f"The file {path} cannot be used: {error}") from None
    if not keys:
        raise KeyRefused(f"The file {path} has no public key of RSA, P-256 or Ed25519 for signatures.")
    return FixedKeys(keys)


def _key_of_pem(content: bytes, path: Path) -> Key:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from jwt.algorithms import get_default_algorithms

    try:
        public = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefused(f"The file {path} holds no public key in PEM.") from None
    for algorithm in ALGORITHMS.values():
        try:
            key = _key_of(json.loads(get_default_algorithms()[algorithm].to_jwk(public)))
        except (jwt.InvalidKeyError, AttributeError, TypeError, ValueError):
            continue
        if key is not None:
            return key
    raise KeyRefused(f"The key in {path} isn't one of RSA with 2,048 bits, P-256 or Ed25519.")


def _secret(secret: bytes, path: Path) -> Key:
    if len(secret) < SECRET_BYTES_MIN:
        raise KeyRefused(f"The secret in {path} has {len(secret)} bytes; HS256 needs {SECRET_BYTES_MIN} at least.")
    value = {"kty": "oct", "k": base64.urlsafe_b64encode(secret).rstrip(b"=").decode()}
    return Key(None, "HS256", jwt.PyJWK(value, "HS256"))
