"""Tokens of an identity provider let its users in, each into workspaces of their own."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pytest_aiohttp import AiohttpClient

from auth.conftest import Client
from auth.issuer import AUDIENCE, Issuer, SigningKey, sign
from tasksvc import is_workspace_name
from tasksvc.api.app import create_app
from tasksvc.api.jwt_login.claims import InvalidTemplate, WorkspaceTemplate, escape
from tasksvc.api.jwt_login.issuer import LOOK_SECONDS, RETRY_SECONDS, InvalidIssuer, IssuerKeys
from tasksvc.api.jwt_login.keys import KeyRefused, KeySource, keys_of_file
from tasksvc.api.jwt_login.login import JWTSettings
from tasksvc.api.options import Options
from tasksvc.application.limits import Timeouts

ISSUER = "https://login.example"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer(SigningKey("first")) as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def started(
    aiohttp_client: AiohttpClient, options: Options, keys: KeySource, issuer: str | None, template: str = "u_{sub}"
) -> Client:
    settings = JWTSettings(keys, AUDIENCE, issuer, WorkspaceTemplate.parse(template))
    return await aiohttp_client(create_app("memory://", replace(options, jwt=settings)))


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, options: Options, issuer: Issuer, clock: Clock) -> Client:
    return await started(aiohttp_client, options, IssuerKeys(issuer.url, clock=clock), issuer.url)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status_of(client: Client, token: str, url: str = "/tasks/") -> int:
    response = await client.get(url, headers=bearer(token))
    response.close()
    return response.status


# ---------------------------------------------------------------- users


async def test_users_of_an_issuer_do_not_see_each_other_and_share_what_both_may_enter(
    client: Client, issuer: Issuer
) -> None:
    ann = bearer(issuer.token(sub="ann", tasksvc_workspaces=["family"]))
    bob = bearer(issuer.token(sub="bob", tasksvc_workspaces=["family"], tasksvc_scope="read"))

    made = await client.post("/tasks/", json={"description": "of ann"}, headers=ann)
    await client.post("/workspaces/family/tasks/", json={"description": "of both"}, headers=ann)
    mine = await (await client.get("/tasks/", headers=bob)).json()
    shared = await (await client.get("/workspaces/family/tasks/", headers=bob)).json()
    foreign = await client.get("/workspaces/u_ann/tasks/", headers=bob)
    written = await client.post("/tasks/", json={"description": "x"}, headers=bob)
    me = await (await client.get("/me", headers=bob)).json()

    assert made.status == 201
    assert mine == []
    assert [task["description"] for task in shared] == ["of both"]
    assert (foreign.status, written.status) == (403, 403)
    assert (me["name"], me["scope"], me["workspaces"], me["home"]) == ("bob", "read", ["u_bob", "family"], "u_bob")
    assert me["expires_at"] is not None


async def test_changes_have_the_names_of_users(client: Client, issuer: Issuer) -> None:
    for sub in ("ann", "auth0|7", "é"):
        token = issuer.token(sub=sub, tasksvc_workspaces=["family"])
        made = await client.post("/workspaces/family/tasks/", json={"description": "x"}, headers=bearer(token))
        assert made.status == 201

    answer = await client.get("/workspaces/family/changes", headers=bearer(token))

    assert [change["by"] for change in (await answer.json())["changes"]] == ["ann", "auth0|7", "é"]


async def test_without_a_token_nobody_comes_in(client: Client) -> None:
    assert (await client.get("/tasks/")).status == 401


async def test_retry_keys_of_two_users_never_meet_and_outlive_the_token(client: Client, issuer: Issuer) -> None:
    answers = []
    for sub, expires in (("ann", 300), ("bob", 300), ("ann", 400)):
        token = issuer.token(sub=sub, tasksvc_workspaces=["family"], exp=int(time.time()) + expires)
        response = await client.post(
            "/workspaces/family/tasks/",
            json={"description": "x"},
            headers={**bearer(token), "Idempotency-Key": "the-same"},
        )
        answers.append((await response.json())["id"])

    assert answers == [1, 2, 1]


async def test_a_request_keeps_its_home_while_another_token_of_its_user_is_used(
    aiohttp_client: AiohttpClient, options: Options, issuer: Issuer
) -> None:
    client = await started(aiohttp_client, options, IssuerKeys(issuer.url), issuer.url, "{org}")
    first, second = (bearer(issuer.token(org=org)) for org in ("a", "b"))
    more, sent = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"description": '
        sent.set()
        await more.wait()
        yield b'"of a"}'

    making = asyncio.create_task(
        client.post("/tasks/", data=body(), headers={**first, "Content-Type": "application/json"})
    )
    await sent.wait()
    await client.post("/tasks/", json={"description": "of b"}, headers=second)
    more.set()
    await making

    assert await descriptions(client, first) == ["of a"]
    assert await descriptions(client, second) == ["of b"]


async def descriptions(client: Client, headers: dict[str, str]) -> list[str]:
    response = await client.get("/tasks/", headers=headers)
    return [task["description"] for task in await response.json()]


# ---------------------------------------------------------------- tokens that aren't good


def altered(token: str, part: int, **members: Any) -> str:
    """Returns a token whose head (0) or claims (1) were changed after it was signed."""
    parts = token.split(".")
    document = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    document.update(members)
    parts[part] = base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
    return ".".join(parts)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://another.example"},
        {"iss": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 2**33},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "line\nbreak"},
        {"sub": 7},
        {"tasksvc_scope": "admin"},
        {"tasksvc_scope": 3},
        {"tasksvc_workspaces": "family"},
        {"tasksvc_workspaces": ["a/b"]},
        {"tasksvc_workspaces": [1]},
    ],
    ids=str,
)
async def test_a_token_whose_claims_are_not_as_they_must_be_is_refused(
    client: Client, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert await status_of(client, issuer.token()) == 200

    assert await status_of(client, issuer.token(**claims)) == 401


async def test_a_token_that_was_changed_or_is_signed_by_another_key_is_refused(client: Client, issuer: Issuer) -> None:
    good = issuer.token()
    public = issuer.keys[0].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with_public_key_as_secret = jwt.encode({"sub": "ann"}, b"x" * 32, "HS256", headers={"kid": "first"})
    head, claims, signature = good.split(".")
    wrong = [
        altered(good, 1, sub="bob"),
        altered(good, 0, alg="none"),
        altered(good, 0, alg="HS256"),
        altered(good, 0, alg="ES384"),
        altered(good, 0, kid="another"),
        altered(good, 0, kid=7),
        altered(good, 0, jwk=SigningKey("mine").public),
        altered(good, 0, crit=["exp"]),
        f"{head}.{claims}.",
        f"{head}.{claims}.{signature[:-4]}AAAA",
        f"{head}.{claims}",
        sign(SigningKey("first"), issuer.url),
        sign(SigningKey("first", "RS256"), issuer.url),
        with_public_key_as_secret,
        "a.b.c",
        "." * 300,
        "tasksvc_x",
    ]

    assert public.startswith(b"-----BEGIN PUBLIC KEY")
    for token in wrong:
        assert await status_of(client, token) == 401, token
    assert await status_of(client, good) == 200


async def test_clocks_may_differ_by_a_minute(client: Client, issuer: Issuer) -> None:
    moment = int(time.time())

    assert await status_of(client, issuer.token(exp=moment - 30)) == 200
    assert await status_of(client, issuer.token(exp=moment - 90)) == 401
    assert await status_of(client, issuer.token(nbf=moment + 30)) == 200
    assert await status_of(client, issuer.token(nbf=moment + 90)) == 401


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02))
async def test_a_stream_ends_with_its_token(client: Client, issuer: Issuer) -> None:
    ending = issuer.token(exp=int(time.time()) - 58)
    stream = await client.get("/changes/stream", headers=bearer(ending))
    longer = issuer.token()
    assert await status_of(client, longer) == 200

    assert stream.status == 200
    assert await stream.content.read() != b""  # which returns, since the stream ends though its caller has a new token
    assert await status_of(client, ending) == 401


# ---------------------------------------------------------------- keys that change


async def test_a_new_key_is_looked_up_at_most_once_a_minute(client: Client, issuer: Issuer, clock: Clock) -> None:
    assert await status_of(client, issuer.token()) == 200
    asked = issuer.asked
    issuer.keys.append(SigningKey("second"))
    unknown = SigningKey("unknown")

    for _ in range(5):
        assert await status_of(client, sign(unknown, issuer.url)) == 401
    assert issuer.asked == asked
    clock.now += RETRY_SECONDS
    second = await status_of(client, issuer.token())
    for _ in range(5):
        assert await status_of(client, sign(unknown, issuer.url)) == 401

    assert second == 200
    assert issuer.asked == asked + 1


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02))
async def test_a_token_and_its_stream_end_when_the_key_is_withdrawn(
    client: Client, issuer: Issuer, clock: Clock
) -> None:
    old = issuer.token()
    stream = await client.get("/changes/stream", headers=bearer(old))
    assert await status_of(client, old) == 200
    issuer.keys[:] = [SigningKey("second")]

    clock.now += RETRY_SECONDS
    assert await status_of(client, issuer.token()) == 200  # which lets the service look

    assert await status_of(client, old) == 401
    await stream.content.read()


async def test_keys_that_are_known_stay_while_the_issuer_does_not_answer(
    client: Client, issuer: Issuer, clock: Clock
) -> None:
    good = issuer.token()
    assert await status_of(client, good) == 200
    issuer.answers = False

    for _ in range(3):
        clock.now += LOOK_SECONDS
        assert await status_of(client, good) == 200
        assert await status_of(client, issuer.token(sub="bob")) == 200


async def test_without_any_keys_the_service_says_that_it_cannot_verify(
    client: Client, issuer: Issuer, clock: Clock
) -> None:
    issuer.answers = False

    response = await client.get("/tasks/", headers=bearer(issuer.token()))
    document = await response.json()
    issuer.answers = True
    clock.now += RETRY_SECONDS
    afterwards = await status_of(client, issuer.token())

    assert (response.status, document["type"]) == (503, "urn:tasksvc:problem:issuer-unavailable")
    assert response.headers["Retry-After"] == "60"
    assert afterwards == 200


async def test_an_issuer_that_calls_itself_otherwise_is_not_believed(
    aiohttp_client: AiohttpClient, options: Options, issuer: Issuer
) -> None:
    real, issuer.url = issuer.url, f"{issuer.url}/other"
    client = await started(aiohttp_client, options, IssuerKeys(real), real)

    assert await status_of(client, sign(issuer.keys[0], real)) == 503


@pytest.mark.parametrize("url", ["", "login.example", "ftp://login.example", "https://", "https://a.example/?x=1"])
def test_what_is_no_url_of_an_issuer_is_refused(url: str) -> None:
    with pytest.raises(InvalidIssuer, match="isn't the URL of an issuer"):
        IssuerKeys(url)


# ---------------------------------------------------------------- keys in files


def pem_of(key: SigningKey) -> bytes:
    pem: bytes = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("form", ["pem", "jwks"])
async def test_a_public_key_in_a_file_verifies_tokens(
    algorithm: str, form: str, aiohttp_client: AiohttpClient, options: Options, tmp_path: Path
) -> None:
    key, file = SigningKey("k", algorithm), tmp_path / "key"
    file.write_bytes(pem_of(key) if form == "pem" else json.dumps({"keys": [key.public]}).encode())
    client = await started(aiohttp_client, options, keys_of_file(file), ISSUER)

    assert await status_of(client, sign(key, ISSUER)) == 200
    assert await status_of(client, sign(SigningKey("k", algorithm), ISSUER)) == 401
    # The public key as the secret of HS256 (RFC 8725, section 2.1).
    forged = _hs256(file.read_bytes())
    assert await status_of(client, forged) == 401


def _hs256(secret: bytes) -> str:
    import hashlib
    import hmac

    moment = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": moment + 300}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    ]
    signed = b".".join(parts)
    signature = hmac.new(secret, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def test_a_secret_in_a_file_verifies_tokens_of_hs256_alone(
    aiohttp_client: AiohttpClient, options: Options, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"s" * 32 + b"\n")
    client = await started(aiohttp_client, options, keys_of_file(file), ISSUER)

    assert await status_of(client, _hs256(b"s" * 32)) == 200
    assert await status_of(client, _hs256(b"t" * 32)) == 401
    assert await status_of(client, sign(SigningKey("k"), ISSUER)) == 401


def _private(key: SigningKey) -> bytes:
    pem: bytes = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"short", "has 5 bytes; HS256 needs 32"),
        (b"{}", "isn't a JSON Web Key Set"),
        (b'{"keys": []}', "has no public key"),
        (b'{"keys": [{"kty": "oct", "k": "' + b"A" * 64 + b'"}]}', "has no public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "holds no public key"),
        (_private(SigningKey("k")), "holds a private key"),
    ],
    ids=["short", "object", "empty", "secret", "damaged", "private"],
)
def test_a_file_without_a_usable_key_is_refused_in_a_sentence(content: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)

    with pytest.raises(KeyRefused, match=reason) as refused:
        keys_of_file(file)

    assert str(file) in str(refused.value)
    assert content.decode() not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="cannot be read"):
        keys_of_file(tmp_path / "none")


# ---------------------------------------------------------------- names of workspaces


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=2, unique=True))
def test_different_claims_have_different_names(claims: list[str]) -> None:
    try:
        first, second = (WorkspaceTemplate("{sub}").fill({"sub": claim}) for claim in claims)
    except UnicodeEncodeError:  # a lone surrogate, which no JSON text has
        return

    assert first != second
    assert is_workspace_name(first) or len(first) > 100


def test_what_a_name_cannot_have_is_escaped() -> None:
    assert escape("auth0|abc~x é") == "auth0~7Cabc~7Ex~20~C3~A9"
    assert WorkspaceTemplate("{sub}").fill({"sub": ".."}) == "~2E~2E"
    assert WorkspaceTemplate("{org}.{sub}").fill({"sub": "a", "org": "b"}) == "b.a"


@pytest.mark.parametrize("text", ["", "u_", "u_{}", "u_{sub!r}", "u_{sub:>9}", "u_{sub", "a/{sub}", "{sub}/"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(InvalidTemplate):
        WorkspaceTemplate.parse(text)


async def test_a_subject_too_long_for_a_name_is_refused(client: Client, issuer: Issuer) -> None:
    assert await status_of(client, issuer.token(sub="|" * 32)) == 200
    assert await status_of(client, issuer.token(sub="|" * 40)) == 401
