"""What the commands for stores do with the records of plugins."""

from __future__ import annotations

from pathlib import Path

import pytest
from service_process import RunningService, run_here, run_tasksvc

from plugins.site import Site

KEEPING = """
    from contextlib import asynccontextmanager
    from tasksvc.plugin import hookimpl

    @hookimpl
    def tasksvc_lifespan(service):
        return keep(service)

    @asynccontextmanager
    async def keep(service):
        await service.records.put("greeting", {"text": "Hello."})
        for number in range(SECRETS):
            await service.secrets.put(f"key-{number}", {"secret": f"sesame-{number}"})
        yield

    @hookimpl
    def tasksvc_check(records):
        for record in records:
            yield f"{record.namespace} has {record.key}."
"""
STORE = ("--store", "sqlite:///tasks.db")


def kept(site: Site, folder: Path, *, secrets: int = 2) -> None:
    """Leaves a store that a plugin has written a record and some secrets to."""
    site.install("greeting", KEEPING.replace("SECRETS", str(secrets)))
    with RunningService("--plugins", "greeting", *STORE, folder=folder, environment=site.environment()):
        pass


@pytest.mark.parametrize(("secrets", "said"), [(2, "2 secrets"), (1, "1 secret")])
def test_an_export_leaves_out_secrets_and_says_how_many(secrets: int, said: str, site: Site, tmp_path: Path) -> None:
    kept(site, tmp_path, secrets=secrets)

    exported = run_here("export", "all.jsonl", *STORE, folder=tmp_path)

    content = (tmp_path / "all.jsonl").read_text()
    assert "Hello." in content
    assert "sesame" not in content
    assert exported.stdout.endswith(f"; without {said} of plugins.\n")


def test_a_copy_and_a_backup_have_secrets(site: Site, tmp_path: Path) -> None:
    kept(site, tmp_path)

    copied = run_here("copy", "sqlite:///tasks.db", "sqlite:///copied.db", folder=tmp_path)
    backed_up = run_here("backup", "saved.db", *STORE, folder=tmp_path)

    assert [done.returncode for done in (copied, backed_up)] == [0, 0]
    for name in ("copied.db", "saved.db"):
        assert b"sesame-1" in (tmp_path / name).read_bytes()


def test_a_check_asks_the_plugin_about_its_records(site: Site, tmp_path: Path) -> None:
    kept(site, tmp_path)

    checked = run_here("check", *STORE, folder=tmp_path)

    assert checked.returncode == 1
    assert checked.stdout.splitlines() == [
        "Plugin greeting: plugin:greeting has greeting.",
        "Plugin greeting: plugin:greeting:secrets has key-0.",
        "Plugin greeting: plugin:greeting:secrets has key-1.",
    ]


def test_a_check_of_a_store_whose_plugin_is_not_installed_any_more_goes_on(site: Site, tmp_path: Path) -> None:
    kept(site, tmp_path)
    for metadata in tmp_path.glob("place-0/*.dist-info/entry_points.txt"):
        metadata.write_text("")
    site.forget()

    environment = {**site.environment(), "TASKSVC_STORE": "sqlite:///tasks.db"}
    checked = run_tasksvc("check", folder=tmp_path, environment=environment)

    assert (checked.returncode, checked.stdout) == (0, "sqlite:///tasks.db is in order.\n")
