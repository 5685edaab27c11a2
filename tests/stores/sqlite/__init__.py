"""Tests of what only SQLite has; the contract is tested in test_contract_sqlite."""
