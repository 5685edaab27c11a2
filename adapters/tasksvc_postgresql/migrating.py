"""Creates the schema of a store, and brings it up to date, by numbered SQL files."""

from __future__ import annotations

import logging
import zlib
from typing import Final

from tasksvc import (
    DEFAULT_WORKSPACE,
    Migrations,
    SchemaOutdated,
    SchemaTooOld,
    StoreRefused,
    new_generation,
    read_migrations,
)
from tasksvc_postgresql.privileges import READING, SERVING, Privileges, check_may, may_make
from tasksvc_postgresql.session import Session
from tasksvc_postgresql.settings import Settings, quoted
from tasksvc_postgresql.terms import make_missing_terms

_logger = logging.getLogger(__name__)

LOCKS = 0x7461736B
"""The first half of the numbers of our advisory locks.  The second half is schema_number()."""

_MAKE_DEFAULT = "INSERT INTO workspaces (key, name, generation, epoch) VALUES (0, $1, $2, $3)"

METADATA_HAS_TERMS: Final = 6
"""The first version of the schema in which tasks are found by their metadata."""

MIGRATIONS: Final = read_migrations("tasksvc_postgresql")


async def migrate(session: Session, settings: Settings, *, migrations: Migrations = MIGRATIONS) -> None:
    """Brings the schema up to date in one transaction.  If several processes try, one does it and the others wait.

    Raises StoreRefused if the schema is newer, isn't ours, or may not be created.
    """
    known = migrations.version
    if await _schema_version(session, settings, SERVING, known=known) == known:
        return
    await session.begin("SET LOCAL statement_timeout = 0")
    await session.fetch("SELECT pg_advisory_xact_lock($1, $2)", LOCKS, schema_number(settings.schema))
    number = await _schema_version(session, settings, SERVING, known=known)
    if number is None:
        if await may_make(session, settings):
            await session.execute(f"CREATE SCHEMA {quoted(settings.schema)}")
        await session.execute("CREATE TABLE migrations (number bigint PRIMARY KEY, at timestamptz DEFAULT now())")
    due = migrations.since(number or 0)
    for step, statements in due.items():
        await session.execute(statements)
        await session.fetch("INSERT INTO migrations (number) VALUES ($1)", step)
    if number is None:
        epoch = new_generation()
        await session.fetch("INSERT INTO store (epoch) VALUES ($1)", epoch)
        await session.fetch(_MAKE_DEFAULT, DEFAULT_WORKSPACE, new_generation(), epoch)
    elif number < METADATA_HAS_TERMS:
        await make_missing_terms(session)
    await session.commit()
    if due:
        _logger.info("%s: schema %d, %s.", settings.name, known, f"before {number}" if number else "new")


async def require_current_schema(session: Session, settings: Settings, *, migrations: Migrations = MIGRATIONS) -> None:
    """Checks that there is a schema that this version reads, and changes nothing.

    Raises SchemaOutdated, StoreRefused.
    """
    known = migrations.version
    number = await _schema_version(session, settings, READING, known=known)
    if number is None:
        raise StoreRefused(
            f"There is no store in the schema {settings.schema} of {settings.name}."
            " Name one that is there, with ?schema=NAME."
        )
    if number < known:
        raise SchemaOutdated(
            f"The schema {settings.schema} of {settings.name} is of an older version:"
            f" it is at {number}, and this version reads {known}. Migrate it first."
        )


async def _schema_version(session: Session, settings: Settings, needed: Privileges, *, known: int) -> int | None:
    """Returns the number of the last migration that was done, or None if there is no schema yet.

    Raises StoreRefused if the schema is newer, isn't ours, or the role lacks one of `needed`.
    """
    tables = await session.fetch("SELECT tablename::text FROM pg_tables WHERE schemaname = $1", settings.schema)
    names = {name for (name,) in tables}
    if not names:
        return None
    if {"migrations", "header"} <= names:  # the tables of before the first release
        raise SchemaTooOld(f"The schema {settings.schema} of {settings.name}")
    if not {"migrations", "store"} <= names:
        raise StoreRefused(
            f"The schema {settings.schema} of {settings.name} holds tables that are not tasksvc's."
            " Name a schema of its own with ?schema=NAME."
        )
    await check_may(needed, session, settings)
    ((number,),) = await session.fetch("SELECT max(number) FROM migrations")
    if number > known:
        raise StoreRefused(
            f"The schema {settings.schema} of {settings.name} was written by a newer tasksvc:"
            f" its schema is version {number}, and this one knows {known}. Upgrade tasksvc, or name another schema."
        )
    return int(number)


def schema_number(schema: str) -> int:
    """Returns a signed 32-bit number for a schema."""
    number = zlib.crc32(schema.encode())
    return number - 2**32 if number >= 2**31 else number
