"""Tasks as a format has them, and the bounds that the API sets them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from tasksvc_formats.report import Fate, Report
from tasksvc_formats.rules import Repeat, usable_rule
from tasksvc_formats.uids import usable_uid

DESCRIPTION_MAX: Final = 10_000
NOTES_MAX: Final = 20_000
LIST_MAX: Final = 100
LABEL_MAX: Final = 100
LABELS_MAX: Final = 50
PRIORITY_MAX: Final = 9
METADATA_MAX: Final = 16 * 1024
"""Bytes of compact JSON."""
NUMBER_MAX: Final = 2**53 - 1
"""The largest integer that metadata may hold."""
UNTITLED: Final = "(untitled)"
"""The description of a task that has none, which the service requires."""


class Item(NamedTuple):
    """A task to be created."""

    uid: str
    parent: str | None
    """The uid of the task that it is a part of."""
    fields: dict[str, Any]
    """The other fields, as the API takes them."""


@dataclass
class Context:
    """What a reader has to know beside the file."""

    format: str
    """The name of the format."""
    zone: ZoneInfo
    """The zone of days and times that name none."""
    now: datetime
    report: Report
    list: str | None = None
    """The list of all tasks, whatever list their source names."""

    @property
    def source(self) -> str:
        """The name with which derived uids begin, and under which the metadata keeps what has no place elsewhere.

        It has no dot, since a dot divides the path of a filter on metadata.
        """
        return self.format.partition("-")[0].replace(".", "")


@dataclass
class Draft:
    """A task as a format has it, unbounded."""

    uid: str
    description: str
    parent: str | None = None
    notes: list[str] = field(default_factory=list)
    """The paragraphs of the notes, with an empty line between two of them."""
    done: bool = False
    created: datetime | None = None
    completed: datetime | None = None
    due: date | datetime | None = None
    priority: int = 0
    labels: list[str] = field(default_factory=list)
    list: str | None = None
    position: str | None = None
    repeat: Repeat | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Metadata that the source knows to be that of a task here."""
    rest: dict[str, Any] = field(default_factory=dict)
    """What the API doesn't have a field for: texts, numbers, booleans and lists of these."""


def finish(draft: Draft, context: Context) -> Item:
    """Returns the task as the API takes it; what has no place, or is too long, is reported."""
    report, title = context.report, draft.description
    fields: dict[str, Any] = {"description": _description(draft, report)}
    name = draft.list
    if context.list is not None:
        if name is not None and name != context.list:
            draft.rest["list"] = name
        name = context.list
    if name is not None and (name := _cut(_clean(name, "list", report), LIST_MAX, "list", report)).strip():
        fields["list"] = name
    if labels := _labels(draft, report):
        fields["labels"] = labels
    if draft.priority:
        fields["priority"] = min(max(draft.priority, 0), PRIORITY_MAX)
    if draft.position is not None:
        fields["position"] = draft.position
    if draft.done:
        fields["done"] = True
    _set_times(draft, context, fields)
    _set_due(draft, report, fields)
    _set_repeat(draft, report, fields)
    _set_metadata(draft, context, fields)
    notes = "\n\n".join(text for text in draft.notes if text.strip())
    if notes:
        fields["notes"] = _cut(_clean(notes, "notes", report), NOTES_MAX, "notes", report)
    uid = usable_uid(draft.uid)
    if uid != draft.uid:
        report.add(Fate.CHANGED, "uid", f"{title}: {draft.uid}")
    return Item(uid, None if draft.parent is None else usable_uid(draft.parent), fields)


def _clean(text: str, name: str, report: Report) -> str:
    """Returns `text` without U+0000 and lone surrogates, which no store keeps."""
    cleaned = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    if cleaned != text:
        report.add(Fate.CHANGED, f"{name} with a character that can't be kept", text)
    return cleaned


def _cut(text: str, most: int, name: str, report: Report) -> str:
    if len(text) > most:
        report.add(Fate.CUT, f"{name} of more than {most:,} characters", text)
    return text[:most]


def _description(draft: Draft, report: Report) -> str:
    text = _clean(draft.description, "description", report)
    if not text.strip():
        report.add(Fate.CHANGED, "description that is empty", UNTITLED)
        return UNTITLED
    if len(text) > DESCRIPTION_MAX:
        report.add(Fate.IN_NOTES, f"description from character {DESCRIPTION_MAX:,} on", text)
        draft.notes.insert(0, text[DESCRIPTION_MAX:])
        text = text[:DESCRIPTION_MAX]
        return text if text.strip() else UNTITLED
    return text


def _labels(draft: Draft, report: Report) -> list[str]:
    kept: dict[str, None] = {}
    for label in draft.labels:
        label = _cut(_clean(label, "label", report), LABEL_MAX, "label", report)
        if label.strip() and label not in kept:
            if len(kept) == LABELS_MAX:
                report.add(Fate.LEFT_OUT, f"labels after the first {LABELS_MAX}", label)
                continue
            kept[label] = None
    return list(kept)


def _set_times(draft: Draft, context: Context, fields: dict[str, Any]) -> None:
    for name, at in (("created_at", draft.created), ("completed_at", draft.completed if draft.done else None)):
        if at is not None and (text := _utc(at)) is not None:
            if at > context.now:
                context.report.add(Fate.LEFT_OUT, f"{name} in the future", f"{draft.description}: {text}")
            else:
                fields[name] = text
        elif at is not None:
            context.report.add(Fate.LEFT_OUT, f"{name} beyond the years 1 to 9999", draft.description)


def _set_due(draft: Draft, report: Report, fields: dict[str, Any]) -> None:
    due = draft.due
    if isinstance(due, datetime):
        if (text := _utc(due)) is not None:
            fields["due_at"] = text
        else:
            report.add(Fate.LEFT_OUT, "due beyond the years 1 to 9999", draft.description)
    elif due is not None:
        fields["due_on"] = due.isoformat()


def _utc(at: datetime) -> str | None:
    """Returns a time as RFC 3339 has it; None if it has no year there."""
    try:
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError):
        return None


def _set_repeat(draft: Draft, report: Report, fields: dict[str, Any]) -> None:
    repeat = draft.repeat
    if repeat is None:
        return
    due = draft.due if "due_at" in fields or "due_on" in fields else None
    rule = usable_rule(repeat.rule, due, repeat.zone)
    if draft.done:
        report.add(Fate.LEFT_OUT, "repetition of a task that is done", f"{draft.description}: {repeat.text}")
    elif due is None or rule is None:
        why = "repetition without a due" if due is None else "repetition that tasks don't have here"
        report.add(Fate.IN_NOTES, why, f"{draft.description}: {repeat.text}")
        draft.notes.append(f"Repeats: {repeat.text}")
    else:
        fields["repeat"] = {"rule": rule, "zone": repeat.zone.key, "from": repeat.basis}


def _set_metadata(draft: Draft, context: Context, fields: dict[str, Any]) -> None:
    """Sets the metadata: that of the source, and under its name the rest, of which the shortest values go first."""
    report = context.report
    metadata = dict(draft.metadata)
    if metadata and _size(metadata) > METADATA_MAX:
        report.add(Fate.LEFT_OUT, "metadata that is too long", draft.description)
        metadata = {}
    rest = {
        _clean(name, "metadata", report): _plain(value, report)
        for name, value in draft.rest.items()
        if value not in (None, "", [], {})
    }
    there = metadata.get(context.source)
    kept = dict(there) if isinstance(there, dict) else {}
    left = METADATA_MAX - _size({**metadata, context.source: kept})
    for size, name in sorted((_size({name: value}), name) for name, value in rest.items()):
        left -= size
        example = f"{draft.description}: {_shown(rest[name])}"
        if left < 0:
            report.add(Fate.LEFT_OUT, f"{name} that is too long", example)
        else:
            report.add(Fate.IN_METADATA, name, example)
            kept[name] = rest[name]
    if kept:
        metadata[context.source] = kept
    if metadata:
        fields["metadata"] = metadata


def _plain(value: Any, report: Report) -> Any:
    """Returns a value that metadata may hold: a scalar or a list of scalars, and the JSON of anything else."""
    if isinstance(value, str):
        return _clean(value, "metadata", report)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) <= NUMBER_MAX:
        return value
    if isinstance(value, list) and not any(item is None or isinstance(item, list | dict) for item in value):
        return [_plain(item, report) for item in value]
    try:
        return _clean(json.dumps(value, ensure_ascii=False), "metadata", report)
    except RecursionError:
        return "(nested too deeply)"


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
