"""Schemas of what clients send and see."""
