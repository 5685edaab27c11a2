"""An adapter for memory: stores, which keep nothing; it is meant for tests."""

from __future__ import annotations

from tasksvc import Capability, InMemoryRepository, StoreURL, TaskRepository, hookimpl

PORT = 3
"""The version of the port that this adapter was written for."""


class MemoryRepository(InMemoryRepository):
    """Tasks in this process alone, gone when it ends."""

    capabilities = InMemoryRepository.capabilities - {Capability.DURABLE}


@hookimpl
async def tasksvc_open_store(url: StoreURL, scratch: bool) -> TaskRepository:
    return MemoryRepository()
