"""The contract kit: the tests that an adapter has to pass.

    from tasksvc.testing import TaskRepositoryContract

    class TestMyStore(TaskRepositoryContract):
        def store_url(self, tmp_path):
            return f"mystore:///{tmp_path}/tasks"

The store is opened through its entry point, so the adapter must be installed. `store_url()` is called with one folder
for each store that a test needs: the same folder means the same store. It is absolute, so this URL has four slashes,
and its path without the first one is absolute too. Tests of capabilities that the adapter declares absent are skipped.
Install it with the extra `tasksvc[testing]`.

Each test runs in two workspaces of a store, beside others that hold data; those about whole stores run once.

More methods of the class cause faults, and the tests that need one are skipped without it: fail_driver(), cut_commit(),
break_connections() and hang_driver(). `patience` and `shortening` are limits of time. StoreUnderTest has them all.
"""

import pkgutil

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

from tasksvc.testing.contract import TaskRepositoryContract  # noqa: E402  (after the line above, or it does nothing)
from tasksvc.testing.failing_files import failing_files, failing_syncs  # noqa: E402

__all__ = ["TaskRepositoryContract", "failing_files", "failing_syncs"]
