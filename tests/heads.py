"""Reading a store's current generation."""

from __future__ import annotations

from tasksvc import TaskQuery, TaskRepository


async def generation_of(repository: TaskRepository) -> str:
    """Returns the generation of the store."""
    return (await repository.find(TaskQuery(), limit=1)).position.generation
