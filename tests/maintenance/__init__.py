"""Tests of copies, exports, backups and checks."""
