"""Tests of the PostgreSQL adapter, on real servers."""
