"""What the claims of a token say of the caller."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from string import Formatter
from typing import Any, Final, NamedTuple

from tasksvc.application.callers import Caller, Scope
from tasksvc.domain.errors import InvalidWorkspaceName, TasksvcError

WORKSPACES: Final = "tasksvc_workspaces"
"""The claim with the names of further workspaces that the caller may enter."""
SCOPE: Final = "tasksvc_scope"
"""The claim with the scope, read or write."""
SCOPES: Final = {str(scope): scope for scope in (Scope.READ, Scope.WRITE)}
NAME_MAX: Final = 255
"""Characters of a subject (OpenID Connect Core 1.0, section 2)."""

_ESCAPED = re.compile(rb"[^A-Za-z0-9._-]")
_DOTS = re.compile(r"\.{1,2}")


class InvalidClaims(Exception):
    """The claims of a token make no caller."""


class InvalidTemplate(TasksvcError):
    """The text isn't a template for names of workspaces."""


def escape(claim: str) -> str:
    """Returns `claim` as a part of the name of a workspace: other characters, and `~`, become ~HH for each byte.

    Different claims have different names.
    """
    return _ESCAPED.sub(lambda match: b"~%02X" % match[0][0], claim.encode()).decode()


class WorkspaceTemplate(NamedTuple):
    """Makes the name of a caller's home of the claims of their token."""

    text: str
    """A name in which {claim} stands for a claim, such as u_{sub}."""

    @classmethod
    def parse(cls, text: str) -> WorkspaceTemplate:
        """Returns the template.  Raises InvalidTemplate if it names no claim, or can't become a name."""
        template = cls(text)
        try:
            parts = list(Formatter().parse(text))
            names = [name for _, name, spec, conversion in parts if name and not spec and conversion is None]
            plain = len(names) == sum(name is not None for _, name, _, _ in parts)
            if names and plain:
                Caller("", workspaces=(template.fill(dict.fromkeys(names, "x")),))
                return template
        except (ValueError, InvalidWorkspaceName, InvalidClaims):
            pass
        raise InvalidTemplate(f"{text!r} isn't a template for workspaces. Name a claim in it, as in u_{{sub}}.")

    def fill(self, claims: Mapping[str, Any]) -> str:
        """Returns the name of a workspace.  Raises InvalidClaims if a claim isn't there, or isn't text."""
        name = ""
        for text, claim, _, _ in Formatter().parse(self.text):
            name += text
            if claim is not None:
                value = claims.get(claim)
                if not isinstance(value, str) or not value:
                    raise InvalidClaims(f"The claim {claim} must be text.")
                name += escape(value)
        # A name that is dots alone would be a dot segment of a path (RFC 3986, section 3.3).
        return name.replace(".", "~2E") if _DOTS.fullmatch(name) else name


def caller_of(claims: Mapping[str, Any], template: WorkspaceTemplate) -> Caller:
    """Returns the caller of a token whose signature, times, issuer and audience are verified.

    Raises InvalidClaims.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= NAME_MAX or not subject.isprintable():
        raise InvalidClaims("The claim sub must be text of 1 to 255 printable characters.")
    scope = claims.get(SCOPE, str(Scope.WRITE))
    if not isinstance(scope, str) or scope not in SCOPES:
        raise InvalidClaims(f"The claim {SCOPE} must be read or write.")
    further = claims.get(WORKSPACES, [])
    if not isinstance(further, list) or not all(isinstance(name, str) for name in further):
        raise InvalidClaims(f"The claim {WORKSPACES} must be an array of texts.")
    workspaces = tuple(dict.fromkeys([template.fill(claims), *further]))
    key = hashlib.sha256(json.dumps([claims.get("iss"), subject]).encode()).hexdigest()
    try:
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        return Caller(subject, SCOPES[scope], workspaces, expires_at=expires_at, key=key)
    except (InvalidWorkspaceName, ValueError, OverflowError, OSError, TypeError) as error:
        raise InvalidClaims(str(error)) from None
