"""What to type about an error.  Errors carry what they are and name no flag, variable or command themselves."""

from __future__ import annotations

from tasksvc.domain.errors import (
    AddressUnavailable,
    BackupsUnsupported,
    NoTokens,
    PluginRefused,
    SchemaOutdated,
    SchemaTooOld,
    StoreIsKept,
    TasksvcError,
)

OPEN = "give --open to let everybody in who reaches the address."


def with_advice(error: TasksvcError) -> str:
    """Returns the message of `error`, and after it what to type, for the kinds of errors that have such advice."""
    advice = _advice(error)
    return f"{error} {advice}" if advice else str(error)


def _advice(error: TasksvcError) -> str | None:
    match error:
        case StoreIsKept():
            return "Name it with --store to serve them, or start in another folder."
        case SchemaOutdated():
            return "Run 'tasksvc migrate --store URL'."
        case SchemaTooOld():
            return "Run 'tasksvc export FILE --store URL' there, and 'tasksvc import FILE --store NEW_URL' here."
        case BackupsUnsupported():
            return "Or run 'tasksvc export FILE'."
        case AddressUnavailable():
            return f"Choose another with {'--admin-host or --admin-port' if error.index else '--host or --port'}."
        case NoTokens(keeps_tokens=True):
            return (
                "Make one with 'tasksvc token create NAME --scope admin --store URL',"
                f" give one in TASKSVC_ADMIN_TOKEN_FILE, or {OPEN}"
            )
        case PluginRefused():
            return "To serve without it, name the other plugins with --plugins, or give --no-plugins."
        case NoTokens():
            return f"Or {OPEN}"
        case _:
            return None
