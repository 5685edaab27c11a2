"""The command line adds advice to errors that know no flag and no command."""

from __future__ import annotations

import pytest

from tasksvc import SchemaOutdated, SchemaTooOld, StoreIsKept, StoreRefused, TasksvcError
from tasksvc.cli.advice import with_advice
from tasksvc.domain.errors import AddressUnavailable, BackupsUnsupported, NoTokens


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (StoreIsKept("It is kept."), "Name it with --store to serve them, or start in another folder."),
        (SchemaOutdated("It is old."), "Run 'tasksvc migrate --store URL'."),
        (
            SchemaTooOld("It"),
            "Run 'tasksvc export FILE --store URL' there, and 'tasksvc import FILE --store NEW_URL' here.",
        ),
        (BackupsUnsupported("It makes none."), "Or run 'tasksvc export FILE'."),
        (AddressUnavailable("::1", 80, "in use", index=0), "Choose another with --host or --port."),
        (AddressUnavailable("::1", 81, "in use", index=1), "Choose another with --admin-host or --admin-port."),
        (NoTokens("It keeps none.", keeps_tokens=False), "Or give --open to let everybody in who reaches the address."),
        (
            NoTokens("It has none.", keeps_tokens=True),
            "Make one with 'tasksvc token create NAME --scope admin --store URL', give one in TASKSVC_ADMIN_TOKEN_FILE,"
            " or give --open to let everybody in who reaches the address.",
        ),
    ],
)
def test_an_error_of_a_known_kind_is_followed_by_what_to_type(error: TasksvcError, advice: str) -> None:
    assert with_advice(error) == f"{error} {advice}"


def test_another_error_speaks_for_itself() -> None:
    assert with_advice(StoreRefused("It is no file.")) == "It is no file."
