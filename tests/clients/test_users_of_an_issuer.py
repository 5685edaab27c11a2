"""The example examples/users_of_an_issuer.py, which runs by itself."""

from __future__ import annotations

from clients.conftest import Run


async def test_users_of_an_issuer_do_not_see_each_other_and_share_a_workspace(run_example: Run) -> None:
    status, output = await run_example("users_of_an_issuer.py")

    assert status == 0, output
    assert output.splitlines() == [
        "Ann sees Buy a present for Bob",
        "Bob sees Call the dentist",
        "Both see Book a table",
        "Bob asks for Ann's: The token isn't valid in this workspace.",
    ]
