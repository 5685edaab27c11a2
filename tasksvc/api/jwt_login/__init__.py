"""Callers who show a JSON Web Token of an identity provider (RFC 7519, RFC 8725); needs the extra `jwt`."""
