"""The PostgreSQL adapter behind PgBouncer."""
