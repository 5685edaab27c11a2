"""Tokens: their form, creation, expiry and revocation."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import InMemoryRepository, PutRecord, Record, TaskRepository
from tasksvc.application.callers import Scope
from tasksvc.application.clock import now
from tasksvc.application.tokens import (
    TokenRefused,
    create_token,
    ensure_token,
    find_token,
    hash_secret,
    is_well_formed,
    list_tokens,
    new_secret,
    revoke_token,
)
from tasksvc.store_adapters import open_repository


@pytest.fixture
async def repository() -> TaskRepository:
    return await open_repository("memory://")


def test_a_new_secret_is_well_formed_and_recognisable() -> None:
    secret = new_secret()

    assert secret.startswith("tasksvc_")
    assert is_well_formed(secret)
    assert len({new_secret() for _ in range(100)}) == 100


@given(st.integers(8, 56), st.sampled_from("0123456789abcXYZ"))
def test_a_mistyped_secret_is_noticed_without_the_store(place: int, other: str) -> None:
    secret = new_secret()
    mistyped = secret[:place] + other + secret[place + 1 :]

    assert is_well_formed(mistyped) == (mistyped == secret)


@pytest.mark.parametrize("text", ["", "tasksvc_", "x" * 57, "tasksvc_" + "é" * 49, "tasksvc_" + "0" * 48])
def test_an_invalid_secret_is_not_well_formed(text: str) -> None:
    assert not is_well_formed(text)


async def test_only_the_hash_of_a_secret_is_kept(repository: TaskRepository) -> None:
    secret, token = await create_token(repository, "reporting", Scope.READ, at=now())

    kept = [entry async for entry in repository.dump()]
    assert secret not in repr(kept)
    assert token.hash == hash_secret(secret)
    assert await find_token(repository, hash_secret(secret)) == token


async def test_a_name_is_taken_once_until_it_is_revoked(repository: TaskRepository) -> None:
    await create_token(repository, "reporting", Scope.READ, at=now())

    with pytest.raises(TokenRefused, match="already"):
        await create_token(repository, "reporting", Scope.ADMIN, at=now())
    await revoke_token(repository, "reporting", at=now())
    await create_token(repository, "reporting", Scope.WRITE, at=now())

    assert [(token.name, token.scope) async for token in list_tokens(repository)] == [("reporting", Scope.WRITE)]


async def test_a_revoked_token_is_gone(repository: TaskRepository) -> None:
    secret, _ = await create_token(repository, "reporting", Scope.READ, at=now())

    await revoke_token(repository, "reporting", at=now())

    assert await find_token(repository, hash_secret(secret)) is None
    with pytest.raises(TokenRefused, match="no token"):
        await revoke_token(repository, "reporting", at=now())


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "x" * 101, "a\n"])
async def test_a_name_that_cannot_be_typed_is_refused(repository: TaskRepository, name: str) -> None:
    with pytest.raises(TokenRefused, match="name of a token"):
        await create_token(repository, name, Scope.READ, at=now())


async def test_a_token_that_has_expired_already_is_refused(repository: TaskRepository) -> None:
    with pytest.raises(TokenRefused, match="expired"):
        await create_token(repository, "late", Scope.READ, at=now(), expires_at=now() - timedelta(seconds=1))


class SlowRepository(InMemoryRepository):
    """Delays reads of records until `until` is set, and returns what they had read before."""

    until: asyncio.Event | None = None

    async def record(self, namespace: str, key: str) -> Record | None:
        found, until = await super().record(namespace, key), self.until
        if until is not None:
            await until.wait()
        return found


async def test_a_revocation_that_comes_late_does_not_touch_the_next_token_of_that_name() -> None:
    repository = SlowRepository()
    await create_token(repository, "job", Scope.WRITE, at=now())
    repository.until = long = asyncio.Event()
    late = asyncio.create_task(revoke_token(repository, "job", at=now()))
    await asyncio.sleep(0)
    repository.until = None
    await revoke_token(repository, "job", at=now())
    secret, token = await create_token(repository, "job", Scope.WRITE, at=now())

    long.set()
    with pytest.raises(TokenRefused, match="no token"):
        await late

    assert await find_token(repository, hash_secret(secret)) == token
    await revoke_token(repository, "job", at=now())
    assert await find_token(repository, hash_secret(secret)) is None, "it can be revoked by its name"


async def test_twenty_replicas_with_the_same_secret_create_one_token(repository: TaskRepository) -> None:
    secret = new_secret()

    await asyncio.gather(*(ensure_token(repository, secret, Scope.ADMIN, at=now()) for _ in range(20)))

    assert [token.hash async for token in list_tokens(repository)] == [hash_secret(secret)]


# ---------------------------------------------------------------- tokens from a file


async def held(repository: TaskRepository) -> set[str]:
    """Returns the hashes of all tokens."""
    return {token.hash async for token in list_tokens(repository)}


async def bring(repository: TaskRepository, secret: str | None) -> list[str]:
    """Returns the names of the tokens that ended."""
    return [token.name for token in await ensure_token(repository, secret, Scope.ADMIN, at=now())]


async def test_what_the_file_brought_ends_when_it_brings_another_one(repository: TaskRepository) -> None:
    first, second = new_secret(), new_secret()
    await bring(repository, first)

    ended = await bring(repository, second)

    assert await held(repository) == {hash_secret(second)}
    assert ended == [f"admin-{hash_secret(first)[:8]}"]


async def test_what_the_file_brought_ends_when_it_brings_none(repository: TaskRepository) -> None:
    secret = new_secret()
    await bring(repository, secret)

    await bring(repository, None)

    assert await held(repository) == set()


async def test_the_same_file_again_changes_nothing(repository: TaskRepository) -> None:
    secret = new_secret()
    await bring(repository, secret)
    before = [entry async for entry in repository.dump()]

    ended = await bring(repository, secret)

    assert (ended, [entry async for entry in repository.dump()]) == ([], before)


async def test_a_file_that_brings_the_former_token_again_is_believed(repository: TaskRepository) -> None:
    first, second = new_secret(), new_secret()

    for secret in (first, second, first):
        await bring(repository, secret)

    assert await held(repository) == {hash_secret(first)}


@pytest.mark.parametrize("name", ["by-hand", "admin-12345678", "admin"])
async def test_a_token_created_by_hand_is_not_revoked_by_a_file(repository: TaskRepository, name: str) -> None:
    by_hand, _ = await create_token(repository, name, Scope.ADMIN, at=now())

    for secret in (new_secret(), by_hand, new_secret(), None):
        await bring(repository, secret)

    assert await held(repository) == {hash_secret(by_hand)}


async def test_what_a_file_brought_before_tokens_were_marked_ends_too(repository: TaskRepository) -> None:
    secret = new_secret()
    name = f"admin-{hash_secret(secret)[:8]}"
    value = {"name": name, "scope": "admin", "created_at": now().isoformat(), "expires_at": None}
    records = [
        PutRecord("token-names", name, {"hash": hash_secret(secret)}, 0),
        PutRecord("tokens", hash_secret(secret), value, 0),
    ]
    await repository.commit(records, at=now())

    await bring(repository, None)

    assert await held(repository) == set()


async def test_of_replicas_that_start_at_once_with_two_files_one_wins(repository: TaskRepository) -> None:
    first, second = new_secret(), new_secret()

    await asyncio.gather(*(bring(repository, secret) for secret in (first, second) * 10))

    assert await held(repository) in ({hash_secret(first)}, {hash_secret(second)})
