"""What is wrong with a file."""

from __future__ import annotations


class InvalidFile(ValueError):
    """A file, or a part of it, isn't in its format.  The message is one sentence, with the line where there is one."""

    def __init__(self, message: str, *, line: int | None = None, member: str = "") -> None:
        """Takes the `line`, from 1, and the `member`: the name of a file in an archive."""
        self.message, self.line, self.member = message, line, member
        super().__init__(self.say_of(""))

    def say_of(self, name: str) -> str:
        """Returns the message with where in the file of this `name` it is."""
        line = f"line {self.line:,}" if self.line else ""
        where = ", ".join(part for part in (name, self.member, line) if part)
        return f"{where}: {self.message}" if where else self.message

    def within(self, member: str) -> InvalidFile:
        """Returns the same error of a file in an archive."""
        return InvalidFile(self.message, line=self.line, member=member)
