"""A full disk: writes are refused, reads go on, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from http_client import Answer, ask
from service_process import RunningService, run_tasksvc

from fault_injection.conftest import Disk

pytestmark = pytest.mark.slow

ENOUGH = 2_000
"""A number of writes of 10 kB that doesn't fit."""


def write_until_full(service: RunningService, kept: dict[int, str]) -> Answer:
    for number in range(len(kept), ENOUGH):
        answer = ask(service.url, "POST", "/tasks/", {"description": f"{number}".ljust(10_000, ".")})
        if answer.status != 201:
            return answer
        kept[answer.document["id"]] = answer.document["description"]
    pytest.fail("It does not get full.")


def held(service: RunningService) -> dict[int, str]:
    answer = ask(service.url, "GET", "/tasks/")
    assert answer.status == 200
    return {task["id"]: task["description"] for task in answer.document}


def service_on(disk: Disk) -> RunningService:
    return RunningService("--store", "sqlite:///kept.db", "--log-format", "none", folder=disk.folder)


def test_a_full_disk_refuses_writes_and_reads_go_on(disk: Disk) -> None:
    kept: dict[int, str] = {}
    with service_on(disk) as service:
        refused = write_until_full(service, kept)
        again = ask(service.url, "POST", "/tasks/", {"description": "no room for this either".ljust(10_000)})
        shown = ask(service.url, "GET", f"/tasks/{max(kept)}")
        listed = held(service)
        ready = ask(service.url, "GET", "/health/ready")
    assert (refused.status, again.status) == (507, 507)
    assert refused.document["outcome"] == "not-done"
    assert "no room left" in refused.document["detail"]
    assert shown.status == 200
    assert ready.status == 200
    assert listed == kept


def test_writes_and_deletes_work_again_when_there_is_room_and_nothing_is_lost(disk: Disk) -> None:
    kept: dict[int, str] = {}
    with service_on(disk) as service:
        ask(service.url, "POST", "/tasks/", {"description": "before"})
        kept = held(service)
        ballast = disk.fill()
        refused = write_until_full(service, kept)
        deletion = ask(service.url, "DELETE", "/tasks/1")
        if deletion.status == 204:
            del kept[1]
        assert held(service) == kept

        ballast.unlink()
        created = ask(service.url, "POST", "/tasks/", {"description": "there is room"})
        kept[created.document["id"]] = "there is room"
        victim = max(kept)
        deleted = ask(service.url, "DELETE", f"/tasks/{victim}")
        del kept[victim]
        assert held(service) == kept
        service.kill()
        service.start()
        assert held(service) == kept
    assert refused.status == 507
    assert deletion.status in (204, 507)
    assert (created.status, deleted.status) == (201, 204)


def test_a_full_disk_at_the_start_is_one_sentence_and_costs_nothing(disk: Disk) -> None:
    with service_on(disk) as service:
        ask(service.url, "POST", "/tasks/", {"description": "before"})
        service.kill()
    ballast = disk.fill()

    new = run_tasksvc("--port", "0", "--store", "sqlite:///new.db", folder=disk.folder)

    assert (new.returncode, new.stderr.count("\n"), "Traceback" in new.stderr) == (1, 1, False)
    assert "no room left" in new.stderr
    with service:
        assert list(held(service).values()) == ["before"]
        ballast.unlink()
        assert ask(service.url, "POST", "/tasks/", {"description": "after"}).status == 201


def test_a_full_disk_lets_the_service_end_in_order(disk: Disk) -> None:
    kept: dict[int, str] = {}
    with service_on(disk) as service:
        write_until_full(service, kept)
        disk.fill()
        assert service.stop() == 0
        (disk.folder / "ballast").unlink()
        service.start()
        assert held(service) == kept


def test_a_scratch_store_on_a_full_disk_refuses_writes_too(disk: Disk) -> None:
    kept: dict[int, str] = {}
    with RunningService("--log-format", "none", folder=disk.folder) as service:
        refused = write_until_full(service, kept)
        assert refused.status == 507
        assert held(service) == kept
        assert service.stop() == 0


def test_a_backup_to_a_full_disk_leaves_nothing(disk: Disk, tmp_path: Path) -> None:
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path) as service:
        for _ in range(6):
            ask(service.url, "POST", "/tasks/batch", [{"op": "create", "task": {"description": "x" * 10_000}}] * 100)

        done = run_tasksvc("backup", str(disk.folder / "saved.db"), "--store", "sqlite:///tasks.db", folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert "tasks.db could not be copied: database or disk is full." in done.stderr
    assert list(disk.folder.iterdir()) == []
