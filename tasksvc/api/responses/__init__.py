"""Making responses: bytes, streams, problems."""
