"""Secrets that are replaced go on signing for a day."""

from __future__ import annotations

from tasksvc_webhooks.rotation import SECRETS_MAX, Secret, rotated, secrets_from_json, secrets_to_json, signing

from tasksvc.testing.samples import NOW, later

DAY = 24 * 3_600


def test_both_secrets_sign_for_a_day_and_then_the_new_one_alone() -> None:
    secrets = rotated([Secret("old")], "new", NOW)

    assert signing(secrets, NOW) == ["new", "old"]
    assert signing(secrets, later(DAY - 1)) == ["new", "old"]
    assert signing(secrets, later(DAY)) == ["new"]


def test_a_second_rotation_makes_no_secret_live_longer() -> None:
    secrets = rotated(rotated([Secret("first")], "second", NOW), "third", later(DAY / 2))

    assert signing(secrets, later(DAY - 1)) == ["third", "second", "first"]
    assert signing(secrets, later(DAY)) == ["third", "second"]
    assert [each.secret for each in rotated(secrets, "fourth", later(DAY))] == ["fourth", "third", "second"]


def test_many_rotations_keep_few_secrets() -> None:
    secrets = [Secret("0")]

    for number in range(20):
        secrets = list(rotated(secrets, str(number + 1), NOW))

    assert [each.secret for each in secrets] == ["20", "19", "18", "17", "16"]
    assert len(secrets) == SECRETS_MAX


def test_a_record_gives_back_its_secrets() -> None:
    secrets = rotated([Secret("old")], "new", NOW)

    assert secrets_from_json(secrets_to_json(secrets)) == secrets


def test_a_webhook_without_secrets_gets_one() -> None:
    assert rotated([], "new", NOW) == [Secret("new")]
