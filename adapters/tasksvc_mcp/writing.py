"""The tools that write.  Each call is one batch, which is done as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tasksvc_client import Client, Create, Delete, Task, Update

from tasksvc_mcp import rows
from tasksvc_mcp import schemas as s
from tasksvc_mcp.failures import Unconfirmed
from tasksvc_mcp.tool import Result, Tool


async def add_tasks(client: Client, asked: Mapping[str, Any]) -> Result:
    """Creates tasks, and returns them in short."""
    made = await client.batch([Create(**fields) for fields in asked["tasks"]], key=asked["key"])
    return _written(made)


async def update_tasks(client: Client, asked: Mapping[str, Any]) -> Result:
    """Changes fields of tasks, and returns them in short."""
    tag: str | None = None
    operations = []
    for each in asked["tasks"]:
        fields = dict(each)
        task_id, version = fields.pop("id"), fields.pop("if_version", None)
        if version is not None and tag is None:
            tag = (await client.get(task_id)).etag
        fields |= dict.fromkeys(fields.pop("reset", ()))
        operations.append(Update(task_id, if_version=_tag_of(version, tag), **fields))
    return _written(await client.batch(operations, key=asked["key"]))


def _tag_of(version: int | None, tag: str | None) -> str | None:
    """Returns the entity tag of a version of a task, with the generation that the tag of any other task names.

    So a repetition under the same key asks for the same, whatever has become of the task.
    """
    if version is None or tag is None:
        return None
    return f'{tag.rpartition(".")[0]}.{version}"'


async def complete_tasks(client: Client, asked: Mapping[str, Any]) -> Result:
    """Completes tasks, or opens them again."""
    done = not asked.get("undo", False)
    ids = dict.fromkeys(asked["ids"])
    return _written(await client.batch([Update(task_id, done=done) for task_id in ids], key=asked["key"]))


async def delete_tasks(client: Client, asked: Mapping[str, Any]) -> Result:
    """Deletes tasks, and returns their ids.  Raises Unconfirmed."""
    ids = list(dict.fromkeys(asked["ids"]))
    if len(ids) > s.UNCONFIRMED_MAX and not asked.get("confirm", False):
        raise Unconfirmed(len(ids))
    await client.batch([Delete(task_id) for task_id in ids], key=asked["key"])
    return {"deleted": ids}


def _written(tasks: Sequence[Task | None]) -> Result:
    return {"tasks": [rows.row_of(task) for task in tasks if task is not None]}


_IDS: Final = s.array(s.ID, "Ids of tasks.", minItems=1, maxItems=s.ROWS_MAX)
_GIVEN: Final = s.given({"tasks": s.ROWS})


def _tasks(item: s.Schema, text: str) -> s.Schema:
    return s.strict({"tasks": s.array(item, text, minItems=1, maxItems=s.ROWS_MAX), "key": s.KEY}, ("tasks",))


TOOLS: Final = (
    Tool(
        "add_tasks",
        "Add tasks",
        "Creates up to 50 tasks. Look first whether they are there already.",
        _tasks(s.strict(s.WRITABLE, ("description",)), "The tasks."),
        _GIVEN,
        add_tasks,
    ),
    Tool(
        "update_tasks",
        "Change tasks",
        "Changes fields of up to 50 tasks. What isn't named stays as it is.",
        _tasks(
            s.strict(
                {
                    "id": s.ID,
                    "if_version": s.integer("The version that you saw.", minimum=1),
                    **s.WRITABLE,
                    "reset": s.array({"type": "string", "enum": list(s.RESETTABLE)}, "Fields that are emptied."),
                },
                ("id",),
            ),
            "What is changed in each task.",
        ),
        _GIVEN,
        update_tasks,
        destroys=True,
        repeatable=True,
    ),
    Tool(
        "complete_tasks",
        "Complete tasks",
        "Marks up to 50 tasks as done, or with undo as open again.",
        s.strict({"ids": _IDS, "undo": s.boolean("true to open them again."), "key": s.KEY}, ("ids",)),
        _GIVEN,
        complete_tasks,
        repeatable=True,
    ),
    Tool(
        "delete_tasks",
        "Delete tasks",
        "Deletes tasks. Their parts stay, as tasks of their own. More than 20 at once need confirm, after your user has"
        " agreed. To finish a task, complete it instead.",
        s.strict(
            {
                "ids": {**_IDS, "maxItems": s.DELETED_MAX},
                "confirm": s.boolean("true if your user has agreed to delete this many."),
                "key": s.KEY,
            },
            ("ids",),
        ),
        s.given({"deleted": s.array(s.ID, "Ids of the deleted tasks.")}),
        delete_tasks,
        destroys=True,
        repeatable=True,
    ),
)
