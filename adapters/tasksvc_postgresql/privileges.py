"""What a role must be allowed to do, and what to say where it isn't."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tasksvc import StoreRefused
from tasksvc_postgresql.session import Session
from tasksvc_postgresql.settings import Settings, quoted

Privileges = Mapping[str, tuple[str, ...]]
"""For each table, what is done with its rows."""

SERVING: Final[Privileges] = {
    "migrations": ("SELECT",),
    "store": ("SELECT", "UPDATE"),
    "workspaces": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "tasks": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "task_terms": ("SELECT", "INSERT", "DELETE"),
    "changes": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "records": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "idempotency_keys": ("SELECT", "INSERT", "DELETE"),
}
READING: Final[Privileges] = dict.fromkeys(SERVING, ("SELECT",))

_SCHEMA = """
    SELECT current_user::text, current_database()::text, namespace.oid IS NOT NULL,
        has_database_privilege(current_database(), 'CREATE'),
        has_schema_privilege(namespace.oid, 'USAGE'), has_schema_privilege(namespace.oid, 'CREATE')
    FROM (SELECT) AS one_row LEFT JOIN pg_namespace namespace ON nspname = $1
"""
_TABLES = """
    SELECT needed.privilege, needed.name
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS needed (name, privilege, number)
    JOIN pg_class ON relname = needed.name
    JOIN pg_namespace ON pg_namespace.oid = relnamespace AND nspname = $1
    WHERE NOT has_table_privilege(pg_class.oid, needed.privilege) ORDER BY number
"""


async def may_make(session: Session, settings: Settings) -> bool:
    """Whether the schema has to be made too before its tables are.  Raises StoreRefused where the role may not."""
    ((role, database, exists, may_create_schemas, may_use, may_create),) = await session.fetch(_SCHEMA, settings.schema)
    if not exists and not may_create_schemas:
        raise StoreRefused(
            f"There is no schema {settings.schema} in {settings.name}, and the role {role} lacks CREATE on the database"
            f" {database} to make it. Run CREATE SCHEMA {quoted(settings.schema)} AUTHORIZATION {quoted(role)} there,"
            " as its owner."
        )
    for privilege, is_granted in (("USAGE", may_use), ("CREATE", may_create)):
        if exists and not is_granted:
            raise _lacks(privilege, f"the schema {settings.schema}", role, settings)
    return not exists


async def check_may(needed: Privileges, session: Session, settings: Settings) -> None:
    """Raises StoreRefused where the role lacks one of `needed` on the tables that are there."""
    ((role, _, _, _, may_use, _),) = await session.fetch(_SCHEMA, settings.schema)
    if not may_use:
        raise _lacks("USAGE", f"the schema {settings.schema}", role, settings)
    pairs = [(table, privilege) for table, privileges in needed.items() for privilege in privileges]
    tables, privileges = zip(*pairs, strict=True)
    for privilege, table in await session.fetch(_TABLES, settings.schema, tables, privileges):
        raise _lacks(privilege, f"the table {settings.schema}.{table}", role, settings)


def _lacks(privilege: str, on: str, role: str, settings: Settings) -> StoreRefused:
    return StoreRefused(f"The role {role} lacks {privilege} on {on} of {settings.name}. Grant it, or use another role.")
