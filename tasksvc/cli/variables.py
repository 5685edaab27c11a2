"""The environment variables of tasksvc, and which others may have names like theirs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

PREFIX = "TASKSVC_"
ADMIN_TOKEN = "TASKSVC_ADMIN_TOKEN"  # noqa: S105
ADMIN_TOKEN_FILE = "TASKSVC_ADMIN_TOKEN_FILE"  # noqa: S105
TOKEN = "TASKSVC_TOKEN"  # noqa: S105
COMPLETION = "_TASKSVC_COMPLETE"
"""The variable that a completion script sets, and nothing else."""

OF_OPTIONS = frozenset(
    PREFIX + name
    for name in (
        *("ADMIN_HOST", "ADMIN_PORT", "ALLOWED_HOST", "BATCH_MAX", "BODY_MAX", "BURST", "CORS_ORIGIN", "HOST"),
        *("JWT_AUDIENCE", "JWT_ISSUER", "JWT_KEY", "JWT_WORKSPACE"),
        *("KEEP_ALIVE", "KEEP_CHANGES", "KEEP_DAYS", "LOG_FORMAT", "PLUGINS", "PORT", "RATE"),
        *("STOP_DELAY", "STORE", "STREAMS", "TRUSTED_PROXY", "URL", "WORKSPACE", "WORKSPACE_TASKS"),
    )
)
"""Listed here as well as at the options, so that no other command has to be imported to know them."""

WITHOUT_OPTION = frozenset({ADMIN_TOKEN, ADMIN_TOKEN_FILE})
OF_OTHERS = frozenset({TOKEN, "TASKSVC_SITE"})
"""Variables that clients, such as the commands for tasks, and the files in examples/deployment read."""
PREFIXES_OF_OTHERS = ("TASKSVC_TEST_", "TASKSVC_SERVICE_", "TASKSVC_PORT_")
"""Prefixes of variables that the project's tests read, or that Kubernetes and Docker set for a service tasksvc."""

KNOWN = OF_OPTIONS | WITHOUT_OPTION | OF_OTHERS


def variable_of(option: str) -> str:
    """Returns the variable that says the same as an option: TASKSVC_KEEP_DAYS for --keep-days."""
    return PREFIX + option.removeprefix("--").upper().replace("-", "_")


def closest(name: str, names: Sequence[str]) -> str | None:
    """Returns the one of `names` that `name` is most probably a typing error of, or None if it's like none."""
    import difflib  # which no other command needs, and takes a millisecond

    found = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return found[0] if found else None


def unknown_variable(names: Iterable[str], of_plugins: Collection[str] | None = None) -> str | None:
    """Returns a sentence about the first of `names` that begins like a variable of tasksvc and isn't one, or None.

    `of_plugins`: the variables of all active plugins; without them, each that may be one of an installed plugin is
    taken for one.
    """
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in KNOWN and not name.startswith(PREFIXES_OF_OTHERS):
            if name in (of_plugins or ()) or (of_plugins is None and name.startswith(_beginnings_of_plugins())):
                continue
            all_known = sorted(KNOWN.union(of_plugins or ()))
            similar = closest(name.removeprefix(PREFIX), [known.removeprefix(PREFIX) for known in all_known])
            remedy = (
                f"Did you mean {PREFIX}{similar}?" if similar else "Unset it, or rename it if it is another program's."
            )
            return f"There is no variable {name}. {remedy}"
    return None


def beginnings(plugin: str) -> tuple[str, ...]:
    """Returns what the flags of a plugin begin with: --webhooks- or --webhook- for webhooks."""
    return (f"--{plugin}-", f"--{plugin.removesuffix('s')}-")


def _beginnings_of_plugins() -> tuple[str, ...]:
    """Returns what the variables of installed plugins begin with.  It loads none of them."""
    from tasksvc.entry_points import PLUGINS, registrations  # which most commands don't need

    plugins = [found.entry_point.name for found in registrations(PLUGINS)]
    return tuple(variable_of(flag) for plugin in plugins for flag in beginnings(plugin))
