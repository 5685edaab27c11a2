"""What is wrong with a file."""

from __future__ import annotations


class InvalidFile(ValueError):
    """A file, or a part of it, isn't in its format.  The message is one sentence, with the line where there is one."""

    def __init__(self, message: str, *, line: int | None = None, member: str = "") -> None:
        """Takes the `line`, from 1, and the `member`: the name of a file in an archive."""
        where = ", ".join(part for part in (member, f"line {line:,}" if line else "") if part)
        super().__init__(f"{where}: {message}" if where else message)
        self.message, self.line, self.member = message, line, member

    def within(self, member: str) -> InvalidFile:
        """Returns the same error of a file in an archive."""
        return InvalidFile(self.message, line=self.line, member=member)
