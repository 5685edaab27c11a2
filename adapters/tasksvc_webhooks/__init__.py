"""Webhooks: sends the changes of workspaces to URLs that callers name, signed."""
