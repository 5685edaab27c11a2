"""Connections: listening, and HTTP as it comes over them."""
