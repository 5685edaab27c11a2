"""Messages about names that are not known: which one, what is known, and what may have been meant.

What a client sent is cut and escaped before it is shown, and compared only where that costs little.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

SHOWN_MAX = 60
"""Characters of a client's text that a message repeats."""
COMPARED_MAX = 40
"""Characters of a text that is compared with known names: no name is longer, and comparing takes the longer."""


def nearest(text: str, known: Collection[str]) -> str | None:
    """Returns the one of `known` that is most like `text`; None where none is like it."""
    if len(text) > COMPARED_MAX:
        return None
    import difflib  # which most requests don't need, and takes three milliseconds

    found = difflib.get_close_matches(text.lower(), known, n=1)
    return found[0] if found else None


def did_you_mean(text: str, known: Collection[str]) -> str:
    """Returns a question to put behind a message; nothing where no name is like `text`."""
    meant = nearest(text, known)
    return "" if meant is None else f" Did you mean '{meant}'?"


class Unknown(str):
    """The message about a name that a schema does not know, as marshmallow passes it on.

    marshmallow has one such message for all names, so the one about a particular name is made of it.
    """

    noun: str
    known: Sequence[str]
    set_by_service: Collection[str]
    given_once: Collection[str]

    def __new__(
        cls, noun: str, known: Sequence[str], set_by_service: Collection[str], given_once: Collection[str]
    ) -> Unknown:
        """Takes `noun`, field or parameter, and `set_by_service`, fields that responses have and requests must not.

        `given_once` are those that only requests which create something have.
        """
        made = super().__new__(cls, f"Unknown {noun}.")
        made.noun, made.known = noun, known
        made.set_by_service, made.given_once = set_by_service, given_once
        return made

    def __getnewargs__(self) -> tuple[str, Sequence[str], Collection[str], Collection[str]]:  # type: ignore[override]
        """Returns the arguments of a copy, since the description of the API is made from copies of schemas."""
        return self.noun, self.known, self.set_by_service, self.given_once

    def about(self, name: str) -> str:
        """Returns the message about `name`, with what is known."""
        if name in self.set_by_service:
            return f"The service sets '{name}'. Leave it out."
        if name in self.given_once:
            return f"'{name}' is given when a task is created, and never changes. Leave it out."
        shown = ascii(name if len(name) <= SHOWN_MAX else f"{name[:SHOWN_MAX]}...")
        known = f"Known are {', '.join(self.known)}." if self.known else f"This path takes no {self.noun}s."
        return f"Unknown {self.noun} {shown}.{did_you_mean(name, self.known)} {known}"
