"""Copies, exports, backups and checks."""
