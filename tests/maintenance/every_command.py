"""The commands that open a store, each of which is tried with a store that has to be refused."""

from __future__ import annotations

COMMANDS = [
    ("serve", "--port", "0", "--store", "sqlite:///old.db"),
    ("check", "--store", "sqlite:///old.db"),
    ("export", "new.jsonl", "--store", "sqlite:///old.db"),
    ("backup", "new.db", "--store", "sqlite:///old.db"),
    ("copy", "sqlite:///old.db", "sqlite:///new.db"),
    ("copy", "memory://", "sqlite:///old.db"),
    ("restore", "old.db", "--store", "sqlite:///new.db"),
    ("migrate", "--store", "sqlite:///old.db"),
    ("renew", "--store", "sqlite:///old.db"),
    ("compact", "--store", "sqlite:///old.db"),
    ("token", "list", "--store", "sqlite:///old.db"),
    ("workspace", "list", "--store", "sqlite:///old.db"),
    ("workspace", "erase", "u_1", "--yes", "--store", "sqlite:///old.db"),
    ("workspace", "export", "u_1", "new.jsonl", "--store", "sqlite:///old.db"),
]
"""Each one opens old.db, which is there, and creates new.db or new.jsonl."""
