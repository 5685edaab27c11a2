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
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from tasksvc.application.callers import Caller, Scope
from tasksvc.domain.errors import InvalidWorkspaceName, RecordConflict, TasksvcError
from tasksvc.domain.record import Record
from tasksvc.domain.rules import RECORD_KEY_MAX, parse_timestamp
from tasksvc.domain.workspace import check_workspace_name
from tasksvc.domain.writes import CommitResult, DeleteRecord, IdempotencyKey, PutRecord, Write
from tasksvc.ports.store import TaskRepository

PREFIX = "tasksvc_"
SPACE = "tokens"
"""Namespace of the records by hash."""
NAMES = "token-names"
"""Namespace of the records by name, which make a name unique."""
WORKSPACES_MAX = 100
"""Workspaces that a token may name."""
NAME_RULE = f"1 to {RECORD_KEY_MAX} letters, digits, dots, dashes and underscores"

_CHANGES = "token-changes"
"""Namespace of one record, which names the tokens that were changed or revoked last: see last_change_of_tokens()."""
_BROUGHT = "brought-tokens"
"""Namespace of the records by scope, which each process writes that changes the tokens brought by a file."""
_TRIES = 100
"""Commits that other processes may come before."""
_MALFORMED = "This isn't a token of tasksvc, or it was cut or mistyped. Make a new one."
_NO_VERSION = -1
"""No record is at this version, so that a write which expects it is always refused."""
_BUSY = "Other processes change the tokens all the time. Try again."
_NO_SUCH_TOKEN = "There is no token of that name."  # noqa: S105

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_DIGITS, _SUM_DIGITS = 43, 6
"""Enough base-62 digits for 256 and for 32 bits."""
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_SECRET_DIGITS + _SUM_DIGITS}}}", re.ASCII).fullmatch
_NAME = re.compile(rf"[0-9A-Za-z._-]{{1,{RECORD_KEY_MAX}}}", re.ASCII).fullmatch


class Token(NamedTuple):
    """What is known of a token; its secret is not."""

    hash: str
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    from_file: bool = False
    """Whether a file brought it, so that it ends when the file brings another one."""
    workspaces: tuple[str, ...] | None = None
    """The workspaces in which it is valid, the home of its owner first; None for all."""
    version: int = 1
    """The version of its record."""

    def is_valid(self, at: datetime) -> bool:
        """Returns whether it has not expired."""
        return self.expires_at is None or at < self.expires_at

    def caller(self) -> Caller:
        """Returns the owner of the token."""
        return Caller(self.name, self.scope, self.workspaces, expires_at=self.expires_at, key=self.hash)


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
    workspaces: Sequence[str] | None = None,
    secret: str | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> tuple[str, Token]:
    """Makes a token and gives its secret, which nobody can ask for again.

    `workspaces`: those in which it is valid, the first of which is the home of its owner; None for all.
    `secret`: one that was made beforehand, by new_secret().  Raises TokenRefused, and
    TokenAlreadyMade where `idempotency_key` made it before, since there is no secret to give then.
    """
    if not _NAME(name):
        raise TokenRefused(f"The name of a token has {NAME_RULE}.")
    if expires_at is not None and expires_at <= at:
        if (before := await _done_before(repository, idempotency_key, at=at)) is not None:
            raise _already_made(before)
        raise _expired()
    valid_in = _checked_workspaces(scope, workspaces)
    secret = secret or new_secret()
    if not is_well_formed(secret):
        raise TokenRefused(_MALFORMED)
    token = Token(hash_secret(secret), name, scope, at, expires_at, workspaces=valid_in)
    try:
        committed = await repository.commit(_making(token), at=at, idempotency_key=idempotency_key)
    except RecordConflict:
        raise TokenRefused(f"There is a token {name} already. Revoke it first, or choose another name.") from None
    if committed.replayed:
        raise _already_made(committed)
    return secret, token


def _expired() -> TokenRefused:
    return TokenRefused("This token would have expired already. Name a later time.", field="expires_at")


def _checked_workspaces(scope: Scope, workspaces: Sequence[str] | None) -> tuple[str, ...] | None:
    """Returns the workspaces of a token, each once.  Raises TokenRefused."""
    if workspaces is None:
        return None
    if scope is Scope.ADMIN:
        raise TokenRefused("A token with the scope admin is valid in all workspaces.", field="workspaces")
    different = tuple(dict.fromkeys(workspaces))
    if not 1 <= len(different) <= WORKSPACES_MAX:
        raise TokenRefused(f"A token is valid in 1 to {WORKSPACES_MAX} workspaces, or in all.", field="workspaces")
    for workspace in different:
        try:
            check_workspace_name(workspace)
        except InvalidWorkspaceName as error:
            raise TokenRefused(str(error), field="workspaces") from None
    return different


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
        writes: list[Write] = [write for token in ended for write in _ending(token)]
        if wanted is not None and wanted not in {token.hash for token in found}:
            writes += _making(Token(wanted, _name_of_brought(scope, wanted), scope, at, None, from_file=True))
        if not writes:
            return []
        writes.append(PutRecord(_BROUGHT, str(scope), {"hash": wanted}, 0 if turn is None else turn.version))
        if ended:
            writes.append(_noting(*ended))
        try:
            await repository.commit(writes, at=at)
        except RecordConflict:
            continue
        return ended
    raise TokenRefused(_BUSY)


def _name_of_brought(scope: Scope, secret_hash: str) -> str:
    return f"{scope}-{secret_hash[:8]}"


def _making(token: Token) -> list[Write]:
    return [PutRecord(NAMES, token.name, {"hash": token.hash}, 0), _put(token, expected=0)]


def _put(token: Token, *, expected: int) -> PutRecord:
    value = {
        "name": token.name,
        "scope": str(token.scope),
        "created_at": token.created_at.isoformat(),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        "from_file": token.from_file,
        "workspaces": None if token.workspaces is None else list(token.workspaces),
    }
    return PutRecord(SPACE, token.hash, value, expected)


def _ending(token: Token) -> list[Write]:
    # Expects the token as it was read, since another one may have got its name in the meantime.
    return [DeleteRecord(SPACE, token.hash, token.version), DeleteRecord(NAMES, token.name)]


def _noting(*changed: Token) -> PutRecord:
    return PutRecord(_CHANGES, "last", {"hashes": [token.hash for token in changed]})


class TokenChange(NamedTuple):
    """A change of tokens that exist, by one commit."""

    number: int
    """Counts the commits that changed tokens."""
    hashes: frozenset[str]
    """The tokens that were changed or revoked."""


NEVER_CHANGED = TokenChange(0, frozenset())


async def last_change_of_tokens(repository: TaskRepository) -> TokenChange:
    """Returns how often tokens were changed or revoked, and which ones the last time.

    So one look tells that the tokens which were read before it are still the same.
    """
    record = await repository.record(_CHANGES, "last")
    return NEVER_CHANGED if record is None else TokenChange(record.version, frozenset(record.value["hashes"]))


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
    for _ in range(_TRIES):
        token = await _find_named(repository, name)
        if token is None:
            if await _done_before(repository, idempotency_key, at=at) is not None:
                return True
            raise TokenRefused(_NO_SUCH_TOKEN)
        try:
            committed = await repository.commit(
                [*_ending(token), _noting(token)], at=at, idempotency_key=idempotency_key
            )
        except RecordConflict:
            continue
        return committed.replayed
    raise TokenRefused(_BUSY)


async def update_token(
    repository: TaskRepository,
    name: str,
    changes: Mapping[str, Any],
    *,
    at: datetime,
    idempotency_key: IdempotencyKey | None = None,
) -> tuple[Token, bool]:
    """Changes the scope, the workspaces and the end of a token, as far as `changes` has fields of Token for them.

    Returns the token, and whether `idempotency_key` did so before.  Raises TokenRefused.
    """
    for _ in range(_TRIES):
        token = await _find_named(repository, name)
        if token is None:
            if (before := await _done_before(repository, idempotency_key, at=at)) is not None:
                return _token(cast(Record, before.results[0])), True
            raise TokenRefused(_NO_SUCH_TOKEN)
        changed = token._replace(**changes)
        if "expires_at" in changes and not changed.is_valid(at):
            raise _expired()
        changed = changed._replace(workspaces=_checked_workspaces(changed.scope, changed.workspaces))
        try:
            committed = await repository.commit(
                [_put(changed, expected=token.version), _noting(token)], at=at, idempotency_key=idempotency_key
            )
        except RecordConflict:
            continue
        return _token(cast(Record, committed.results[0])), committed.replayed
    raise TokenRefused(_BUSY)


async def _find_named(repository: TaskRepository, name: str) -> Token | None:
    record = await repository.record(NAMES, name) if _NAME(name) else None
    return None if record is None else await find_token(repository, record.value["hash"])


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
    workspaces = value.get("workspaces")
    valid_in = None if workspaces is None else tuple(workspaces)
    return Token(record.key, name, scope, created_at, expires_at, from_file, valid_in, record.version)


def _base62(number: int, digits: int) -> str:
    found = []
    for _ in range(digits):
        number, digit = divmod(number, 62)
        found.append(_ALPHABET[digit])
    return "".join(reversed(found))


def _checksum(digits: str) -> str:
    return _base62(zlib.crc32(digits.encode()), _SUM_DIGITS)
