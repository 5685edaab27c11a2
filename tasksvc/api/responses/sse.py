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
    }


def sse_event(change: Change, generation: str) -> bytes:
    """Encodes a change as a Server-Sent Event, whose id is the position after it."""
    position = format_position(Position(generation, change.seq))
    return b"id: %b\ndata: %b\n\n" % (position.encode(), dumps(change_to_json(change, position)))
