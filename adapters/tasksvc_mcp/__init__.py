"""Tasks for agents: a server of the Model Context Protocol, which asks a running service over its API.

It needs the extra `mcp`. Only its command is imported without the SDK, whose import takes seconds.
"""
