"""The amount of memory that clients can make the process keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasksvc.application.limits import Limits
from tasksvc.application.memory_shares import OWN_BYTES, fit_to_memory, memory_limit

MEGABYTE = 2**20


def cgroups(folder: Path, own: str, limits: dict[str, str]) -> tuple[Path, Path]:
    """Creates files in place of /proc/self/cgroup and the folder of mounted groups, with `limits` by file."""
    (folder / "cgroup").write_text(own)
    for name, limit in limits.items():
        file = folder / "mounted" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{limit}\n")
    return folder / "cgroup", folder / "mounted"


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": "134217728"}, 128 * MEGABYTE),
        ("0::/\n", {"memory.max": "max"}, None),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "1000"}, 1_000),
        ("0::/a/b\n", {"a/b/memory.max": "900", "a/memory.max": "1000"}, 900),
        ("0::/seen/outside\n", {"memory.max": "1000"}, 1_000),
        ("5:cpu:/\n4:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "1000"}, 1_000),
        ("4:cpu,memory:/a\n", {"memory/memory.limit_in_bytes": "1000"}, 1_000),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("0::/\n", {}, None),
    ],
)
def test_the_limit_is_the_least_of_the_groups_of_the_process(
    tmp_path: Path, own: str, limits: dict[str, str], expected: int | None
) -> None:
    assert memory_limit(*cgroups(tmp_path, own, limits)) == expected


def test_where_there_are_no_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit(tmp_path / "absent", tmp_path) is None


@pytest.mark.parametrize("megabytes", [64, 96, 128, 192, 256, 512])
def test_what_clients_can_take_fits_into_the_limit(megabytes: int) -> None:
    memory, most = megabytes * MEGABYTE, Limits()

    limits = fit_to_memory(most, memory)

    bounds = [(limit, large) for limit, large in zip(limits, most, strict=True) if limit is not None]
    assert all(0 < limit <= large for limit, large in bounds if large is not None)
    held = limits.held_request_bytes + limits.held_answer_bytes + limits.held_body_bytes
    assert held <= max(memory - OWN_BYTES, memory // 8)


def test_much_memory_changes_nothing() -> None:
    assert fit_to_memory(Limits(), 2**34) == fit_to_memory(Limits(), None) == Limits()
