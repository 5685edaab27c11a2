"""What a plugin adds beside routes: settings of the command line, and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple


class Setting(NamedTuple):
    """A flag of `tasksvc serve` that a plugin takes, and its variable: --webhook-allow and TASKSVC_WEBHOOK_ALLOW."""

    flag: str
    """The flag, in lower case with hyphens."""
    convert: Callable[[str], Any]
    """Returns the value of a text.  Raises ValueError with a sentence that says what is wrong with it."""
    metavar: str
    """Stands for the text in the help, such as CIDR."""
    text: str
    """The text of the help, one sentence."""
    default: str | None = None
    """The default as it would be typed; None for None, or for no value where there may be several."""
    multiple: bool = False
    """Whether it may be given several times.  Its value is a tuple then, and its variable takes commas."""

    def default_value(self) -> Any:
        """Returns the value of the default."""
        if self.default is None:
            return () if self.multiple else None
        value = self.convert(self.default)
        return (value,) if self.multiple else value


class Metric(NamedTuple):
    """A metric of a plugin, as it is at one moment."""

    name: str
    """The name, before which the service puts `tasksvc_`, and after which Prometheus has `_total` for a counter."""
    text: str
    """What it counts, one sentence."""
    values: Mapping[tuple[str, ...], float]
    """Values by those of the labels, such as {("delivered",): 5.0}; {(): 5.0} without labels."""
    labels: tuple[str, ...] = ()
    kind: Literal["counter", "gauge"] = "gauge"
