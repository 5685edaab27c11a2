"""Why requests for calendars are refused."""

from __future__ import annotations

from tasksvc.plugin import Refusal, RequestError

NO_SUCH_CALENDAR = Refusal(
    404, "calendar-not-found", "The key isn't one for this list, or was revoked. Which of them isn't told."
)
NO_SUCH_KEY = Refusal(404, "calendar-key-not-found", "The workspace has no key with this id.")
TOO_MANY = Refusal(409, "too-many-calendar-keys", "The workspace has as many keys as it may have.")


class NoSuchCalendar(RequestError):
    """The key isn't valid for what the request is for, whatever the reason is."""

    status, name = 404, "calendar-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such calendar, or the key isn't one for it. Ask for a new address.")


class NoSuchKey(RequestError):
    """The workspace has no key with this id."""

    status, name = 404, "calendar-key-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such key in this workspace.")


class TooManyKeys(RequestError):
    """There is no room for another key."""

    status, name = 409, "too-many-calendar-keys"

    def __init__(self, most: int) -> None:
        super().__init__(f"A workspace may have {most:,} calendar keys. Revoke some first.")
