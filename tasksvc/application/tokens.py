"""API tokens: what a caller may do, kept as records beside the tasks.

A token is 256 random bits behind a prefix, with a checksum after it, so that one that leaked can be
recognised and one that was mistyped is refused without a look at the store.  Only its SHA-256 is
kept: random bits of that length need no slow hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from collections.abc import AsyncIterator
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, cast

from tasksvc.domain.errors import RecordConflict, TasksvcError
from tasksvc.domain.record import Record
from tasksvc.domain.rules import RECORD_KEY_MAX, parse_timestamp
from tasksvc.domain.writes import CommitResult, DeleteRecord, IdempotencyKey, PutRecord, Write
from tasksvc.ports.store import TaskRepository

PREFIX = "tasksvc_"
SPACE = "tokens"
"""Namespace of the records by hash."""
NAMES = "token-names"
"""Namespace of the records by name, which make a name unique."""
NAME_RULE = f"1 to {RECORD_KEY_MAX} letters, digits, dots, dashes and underscores"

_BROUGHT = "brought-tokens"
"""Namespace of the records by scope, which each process writes that changes the tokens brought by a file."""
_TRIES = 100
"""Commits that other processes may come before."""
_MALFORMED = "This isn't a token of tasksvc, or it was cut or mistyped. Make a new one."
_NO_VERSION = -1
"""No record is at this version, so that a write which expects it is always refused."""
_NO_SUCH_TOKEN = "There is no token of that name."  # noqa: S105

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_DIGITS, _SUM_DIGITS = 43, 6
"""Enough base-62 digits for 256 and for 32 bits."""
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_SECRET_DIGITS + _SUM_DIGITS}}}", re.ASCII).fullmatch
_NAME = re.compile(rf"[0-9A-Za-z._-]{{1,{RECORD_KEY_MAX}}}", re.ASCII).fullmatch


class Scope(IntEnum):
    """What a token allows; each includes those before it."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Scope:
        """Returns the scope of that name.  Raises KeyError."""
        return cls[name.upper()]

    def __str__(self) -> str:
        return self.name.lower()


class Token(NamedTuple):
    """What is known of a token; its secret is not."""

    hash: str
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    from_file: bool = False
    """Whether a file brought it, so that it ends when the file brings another one."""

    def is_valid(self, at: datetime) -> bool:
        """Returns whether it has not expired."""
        return self.expires_at is None or at < self.expires_at


class TokenAlreadyMade(TasksvcError):
    """The idempotency key made a token before, whose secret was in the answer of that time alone."""

    def __init__(self, token: Token) -> None:
        super().__init__(
            f"This request was done before: it made the token {token.name}. Its secret was in the first answer and"
            " isn't kept. If it was lost, revoke the token and make another one with a new key."
        )
        self.token = token


class TokenRefused(TasksvcError):
    """The token cannot be made or found."""

    def __init__(self, message: str, *, field: str = "name") -> None:
        """Takes `field`, the field of the token that was wrong."""
        super().__init__(message)
        self.field = field


def new_secret() -> str:
    """Returns a new token, as its owner sees it, once."""
    digits = _base62(secrets.randbits(256), _SECRET_DIGITS)
    return PREFIX + digits + _checksum(digits)


def is_well_formed(secret: str) -> bool:
    """Returns whether `secret` has the shape and the checksum of a token."""
    if not _SHAPE(secret):
        return False
    digits = secret[len(PREFIX) : -_SUM_DIGITS]
    return _checksum(digits) == secret[-_SUM_DIGITS:]


def hash_secret(secret: str) -> str:
    """Returns what is kept of a token."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def create_token(
    repository: TaskRepository,
    name: str,
    scope: Scope,
    *,
    at: datetime,
    expires_at: datetime | None = None,
    secret: str | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> tuple[str, Token]:
    """Makes a token and gives its secret, which nobody can ask for again.

    `secret`: one that was made beforehand, by new_secret().  Raises TokenRefused, and
    TokenAlreadyMade where `idempotency_key` made it before, since there is no secret to give then.
    """
    if not _NAME(name):
        raise TokenRefused(f"The name of a token has {NAME_RULE}.")
    if expires_at is not None and expires_at <= at:
        if (before := await _done_before(repository, idempotency_key, at=at)) is not None:
            raise _already_made(before)
        raise TokenRefused("This token would have expired already. Name a later time.", field="expires_at")
    secret = secret or new_secret()
    if not is_well_formed(secret):
        raise TokenRefused(_MALFORMED)
    token = Token(hash_secret(secret), name, scope, at, expires_at)
    try:
        committed = await repository.commit(_making(token), at=at, idempotency_key=idempotency_key)
    except RecordConflict:
        raise TokenRefused(f"There is a token {name} already. Revoke it first, or choose another name.") from None
    if committed.replayed:
        raise _already_made(committed)
    return secret, token


def _already_made(committed: CommitResult) -> TokenAlreadyMade:
    """Returns the error that names the token; `committed` is what create_token() wrote the first time."""
    return TokenAlreadyMade(_token(cast(Record, committed.results[1])))


async def ensure_token(repository: TaskRepository, secret: str | None, scope: Scope, *, at: datetime) -> list[Token]:
    """Makes the token of this secret, which a file brought, unless it is there; and ends what files brought before.

    With None the file brings no token, so those that it brought end.  A token made otherwise stays,
    though it be the one of this secret.  Of several processes that do this at once with different
    secrets, the last one wins.  Returns the tokens that ended.  Raises TokenRefused.
    """
    if secret is not None and not is_well_formed(secret):
        raise TokenRefused(_MALFORMED)
    wanted = None if secret is None else hash_secret(secret)
    for _ in range(_TRIES):
        # A record that each of them writes, so that none goes by tokens that another one changes.
        turn = await repository.record(_BROUGHT, str(scope))
        found = [token async for token in list_tokens(repository)]
        ended = [token for token in found if token.from_file and token.hash != wanted]
        writes: list[Write] = [write for token in ended for write in _ending(token.hash, token.name)]
        if wanted is not None and wanted not in {token.hash for token in found}:
            writes += _making(Token(wanted, _name_of_brought(scope, wanted), scope, at, None, from_file=True))
        if not writes:
            return []
        writes.append(PutRecord(_BROUGHT, str(scope), {"hash": wanted}, 0 if turn is None else turn.version))
        try:
            await repository.commit(writes, at=at)
        except RecordConflict:
            continue
        return ended
    raise TokenRefused("Other processes change the tokens all the time. Try again.")


def _name_of_brought(scope: Scope, secret_hash: str) -> str:
    return f"{scope}-{secret_hash[:8]}"


def _making(token: Token) -> list[Write]:
    value = {
        "name": token.name,
        "scope": str(token.scope),
        "created_at": token.created_at.isoformat(),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        "from_file": token.from_file,
    }
    return [PutRecord(NAMES, token.name, {"hash": token.hash}, 0), PutRecord(SPACE, token.hash, value, 0)]


def _ending(secret_hash: str, name: str) -> list[Write]:
    # Expects the token at its only version, since another one may have got its name in the meantime.
    return [DeleteRecord(SPACE, secret_hash, 1), DeleteRecord(NAMES, name)]


async def find_token(repository: TaskRepository, secret_hash: str) -> Token | None:
    """Returns the token with this hash; also where it has expired."""
    record = await repository.record(SPACE, secret_hash)
    return None if record is None else _token(record)


async def list_tokens(repository: TaskRepository) -> AsyncIterator[Token]:
    """Yields every token, by hash."""
    after = ""
    while records := await repository.records(SPACE, after=after, limit=100):
        for record in records:
            yield _token(record)
        after = records[-1].key


async def revoke_token(
    repository: TaskRepository, name: str, *, at: datetime, idempotency_key: IdempotencyKey | None = None
) -> bool:
    """Ends a token; whether `idempotency_key` did so before.  Raises TokenRefused where there is none of that name."""
    record = await repository.record(NAMES, name) if _NAME(name) else None
    if record is None:
        if await _done_before(repository, idempotency_key, at=at) is not None:
            return True
        raise TokenRefused(_NO_SUCH_TOKEN)
    try:
        committed = await repository.commit(_ending(record.value["hash"], name), at=at, idempotency_key=idempotency_key)
    except RecordConflict:
        raise TokenRefused(_NO_SUCH_TOKEN) from None
    return committed.replayed


async def _done_before(
    repository: TaskRepository, idempotency_key: IdempotencyKey | None, *, at: datetime
) -> CommitResult | None:
    """Returns what the commit under `idempotency_key` did; None where there was none, and then the key stays unused.

    For a request that couldn't be done now, and perhaps was done before.  Raises IdempotencyKeyReused.
    """
    if idempotency_key is None:
        return None
    try:
        return await repository.commit([DeleteRecord(NAMES, "", _NO_VERSION)], at=at, idempotency_key=idempotency_key)
    except RecordConflict:
        return None


def _token(record: Record) -> Token:
    value = record.value
    created_at = parse_timestamp(value["created_at"])
    assert created_at is not None
    expires_at = None if value["expires_at"] is None else parse_timestamp(value["expires_at"])
    name, scope = value["name"], Scope.named(value["scope"])
    # Tokens that were made before this was noted have a name that nobody else gives: it has their own hash in it.
    from_file = value.get("from_file", name == _name_of_brought(scope, record.key))
    return Token(record.key, name, scope, created_at, expires_at, from_file)


def _base62(number: int, digits: int) -> str:
    found = []
    for _ in range(digits):
        number, digit = divmod(number, 62)
        found.append(_ALPHABET[digit])
    return "".join(reversed(found))


def _checksum(digits: str) -> str:
    return _base62(zlib.crc32(digits.encode()), _SUM_DIGITS)
