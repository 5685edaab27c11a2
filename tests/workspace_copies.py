"""Repositories in memory whose workspaces have the class of the default one, and so the same faults."""

from __future__ import annotations

import copy

from tasksvc import InMemoryRepository, TaskRepository, check_workspace_name


class WorkspaceCopies(InMemoryRepository):
    """Gives a copy of itself for each workspace; what all of them share must be held by objects."""

    def workspace(self, name: str) -> TaskRepository:
        check_workspace_name(name)
        other = copy.copy(self)
        other.workspace_name = name
        return other
