"""Reading requests: bodies, headers, parameters."""
