"""What a receiver checks: the library of Standard Webhooks verifies what we sign."""

from __future__ import annotations

import base64
import json
import re
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError, hmac_data
from tasksvc_webhooks.signing import message_id, new_secret, sign

BODY = '{"type":"created","task":{"description":"Blumen gießen 🌱"}}'.encode()
ID = "msg_0123456789abcdef0123456789abcdef"


def headers(secrets: list[str], *, body: bytes = BODY, timestamp: int | None = None) -> dict[str, str]:
    moment = int(time.time()) if timestamp is None else timestamp
    return {
        "webhook-id": ID,
        "webhook-timestamp": str(moment),
        "webhook-signature": sign(secrets, ID, moment, body),
    }


def test_the_library_verifies_a_signature() -> None:
    secret = new_secret()

    verified = Webhook(secret).verify(BODY, headers([secret]))

    assert verified == json.loads(BODY)


def test_the_signature_is_that_of_the_example_in_the_standard() -> None:
    """The example that the libraries of Standard Webhooks share."""
    signature = sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("body", [b"", b".", b"\x00\xff", b"a" * 300_000])
def test_any_bytes_are_signed_as_the_library_signs_them(body: bytes) -> None:
    secret = new_secret()

    signature = sign([secret], ID, 1_700_000_000, body)

    signed = hmac_data(base64.b64decode(secret.removeprefix("whsec_")), b"%s.1700000000.%s" % (ID.encode(), body))
    assert signature == f"v1,{base64.b64encode(signed).decode()}"


def test_each_secret_signs_while_one_is_rotated() -> None:
    old, new = new_secret(), new_secret()

    signed = headers([new, old])

    assert Webhook(old).verify(BODY, signed) == Webhook(new).verify(BODY, signed)
    assert re.fullmatch(r"v1,[A-Za-z0-9+/]{43}= v1,[A-Za-z0-9+/]{43}=", signed["webhook-signature"])


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_1"},
        {"webhook-timestamp": str(int(time.time()) + 1)},
        {"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
    ],
)
def test_a_header_that_was_changed_is_noticed(changed: dict[str, str]) -> None:
    secret = new_secret()
    signed = headers([secret], timestamp=int(time.time()) - 5)

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, signed | changed)


def test_a_body_that_was_changed_is_noticed() -> None:
    secret = new_secret()

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers([secret]))


def test_another_secret_does_not_verify() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers([new_secret()]))


def test_secrets_are_random_and_of_the_standards_form() -> None:
    made = {new_secret() for _ in range(1_000)}

    assert len(made) == 1_000
    for secret in made:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_%%%%", "whsec_Zm9vYmFy!", "Zm9vYmFyMTIz", "WHSEC_Zm9vYmFy", "whsec_ü"]
)
def test_a_secret_of_another_form_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^The secret of a webhook isn't whsec_ and base64\.$") as raised:
        sign([secret], ID, 1, BODY)

    assert raised.value.__context__ is None or raised.value.__suppress_context__


def test_the_id_of_a_message_is_the_same_each_time_and_has_no_dot() -> None:
    name = message_id("wh_1", "work.space", "0123456789abcdef", 7)

    assert name == message_id("wh_1", "work.space", "0123456789abcdef", 7)
    assert re.fullmatch("msg_[0-9a-f]{32}", name)


def test_ids_of_messages_differ_with_each_part() -> None:
    parts: list[tuple[str, str, str, int]] = [
        ("a", "b", "c", 1),
        ("a", "b", "c", 2),
        ("a", "b", "d", 1),
        ("a", "d", "c", 1),
        ("d", "b", "c", 1),
        ("ab", "", "c", 1),
        ("", "ab", "c", 1),
        ("a", "bc", "", 1),
        ("a", "b", "c1", 1),
        ("a", 'b","c', "", 1),
    ]

    assert len({message_id(*part) for part in parts}) == len(parts)
