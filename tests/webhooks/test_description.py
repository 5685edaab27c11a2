"""What the OpenAPI document says of the requests for webhooks is what they're checked by."""

from __future__ import annotations

from typing import Any

import pytest
from api.api_client import validator

from webhooks.client import Client

HOOK = "https://example.org/hook"


async def is_described(client: Client, schema: str, document: dict[str, Any]) -> bool:
    """Returns whether a body is valid by the description of the service."""
    description = await client.ask("GET", "/openapi.json")
    return bool(validator(description, f"#/components/schemas/{schema}").is_valid(document))


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("0", 200),
        ("2026-11-24T15:00:00Z", 200),
        ("2026-11-24t15:00:00.123456789-05:30", 200),
        ("abc-5", 410),
        ("abcdefghijt-5", 410),
        ("", 422),
        ("00", 422),
        ("ABC-5", 422),
        ("2026-11-24", 422),
        ("2026-11-24T15:00:00", 422),
        ("2026-11-24T15:00Z", 422),
        ("2026-11-24 15:00:00Z", 422),
        ("20261124T15:00:00Z", 422),
        ("2026-W48-2T15:00:00Z", 422),
        ("2026-11-24T24:00:00Z", 422),
        ("2026-11-24T15:00:00,5Z", 422),
        ("2026-11-24T15:00:00+01:00:30", 422),
        (0, 422),
        (None, 422),
    ],
)
async def test_a_replay_begins_where_the_description_says(client: Client, since: object, status: int) -> None:
    made = await client.make(HOOK, workspaces=["a"])

    await client.do(made, "replay", {"since": since}, status=status)

    assert await is_described(client, "Replay", {"since": since}) is (status != 422)


async def test_a_day_that_does_not_exist_is_no_place_to_begin(client: Client) -> None:
    made = await client.make(HOOK)

    await client.do(made, "replay", {"since": "2026-02-30T15:00:00Z"}, status=422)


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({"workspaces": ["a", "..."]}, True),
        ({"workspaces": ["."]}, False),
        ({"workspaces": ["a/b"]}, False),
        ({"workspaces": [""]}, False),
        ({"workspaces": []}, False),
        ({"labels": ["ä"], "list": "ä", "description": ""}, True),
        ({"labels": ["a\0"]}, False),
        ({"list": "\0"}, False),
        ({"description": "\0"}, False),
    ],
)
async def test_a_webhook_takes_what_its_description_says(
    client: Client, fields: dict[str, object], is_valid: bool
) -> None:
    document = {"url": HOOK, **fields}

    await client.ask("POST", "/webhooks/", document, status=201 if is_valid else 422)

    assert await is_described(client, "WebhookIn", document) is is_valid
