"""Changes as JSON, and as Server-Sent Events (HTML standard, section 9.2)."""

from __future__ import annotations

from tasksvc.api.requests.positions import format_position
from tasksvc.domain.change import Change, Position
from tasksvc.domain.json_text import dumps


def change_to_json(change: Change, position: str) -> dict[str, object]:
    """Returns a change as clients see it.  `position` is the text that reads on after it."""
    return {
        "seq": change.seq,
        "position": position,
        "type": change.kind.value,
        "task_id": change.task_id,
        "task": change.task,
        "at": change.at,
        "by": change.by,
    }


def change_json(change: Change, generation: str) -> bytes:
    """Returns the JSON of a change in a generation, as streams have it."""
    return dumps(change_to_json(change, format_position(Position(generation, change.seq))))


def sse_event(change: Change, generation: str) -> bytes:
    """Encodes a change as a Server-Sent Event, whose id is the position after it."""
    position = format_position(Position(generation, change.seq))
    return b"id: %b\ndata: %b\n\n" % (position.encode(), dumps(change_to_json(change, position)))


def stream_start(position: str) -> bytes:
    """Encodes what comes before all events: the id at which the stream starts, and when to come back after its end."""
    return b"retry: 1000\nid: %b\n\n" % position.encode()


def in_workspace(event: bytes, workspace: str, position: str) -> bytes:
    """Returns what sse_event() made as an event of a stream of several workspaces, whose id is `position`."""
    data = event.partition(b"\ndata: {")[2]
    return b'id: %b\ndata: {"workspace":"%b",%b' % (position.encode(), workspace.encode(), data)


def sse_farewell(workspace: str, reason: str, detail: str) -> bytes:
    """Encodes an event that says why a workspace has left a stream; `reason` is the name of a problem."""
    data = dumps({"workspace": workspace, "type": reason, "detail": detail})
    return b"event: %b\ndata: %b\n\n" % (reason.encode(), data)
