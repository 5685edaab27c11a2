"""Ways to import modules in less time, for commands whose user waits for them."""

from __future__ import annotations

import contextlib
import functools
import gc
import re
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

LAST_CHARACTER = "\uffff"
"""Ends the range in a pattern that takes long to compile."""


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Imports what serves HTTP in less time within the block, with all that this module has for that.

    SIGINT ends the process meanwhile, as in ended_by_interrupts().
    """
    with (
        ended_by_interrupts(),
        without_garbage_collection(),
        certificates_loaded_when_used(),
        jinja2_imported_when_used(),
        large_patterns_compiled_when_used(),
    ):
        yield


_imports_stay = False


def let_imports_stay() -> None:
    """Keeps what without_garbage_collection() imports from being looked through for garbage, until the process ends.

    For a process that runs one command, which is 15 ms sooner at its end for it.
    """
    global _imports_stay
    _imports_stay = True


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Keeps Python from looking for garbage within the block, where modules are imported that make next to none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if _imports_stay:
            gc.freeze()
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def ended_by_interrupts() -> Iterator[None]:
    """Lets SIGINT end the process within the block, by the signal, where there is nothing to clean up yet.

    KeyboardInterrupt would be lost if it came in a destructor or in a callback of a weak reference, as imports run
    many of them.
    """
    raises = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if raises:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if raises and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def certificates_loaded_when_used() -> Iterator[None]:
    """Lets TLS contexts that are created within the block load the system's certificates for their first connection.

    aiohttp's HTTP client creates two when it's imported, whose certificates take 50 ms each to load.  The
    service doesn't use that client to start.
    """
    import ssl

    class ContextWithout(ssl.SSLContext):
        def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
            load(self)
            return self.wrap_bio(*args, **kwargs)

        def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
            load(self)
            return self.wrap_socket(*args, **kwargs)

    def load(context: ssl.SSLContext) -> None:
        context.__class__ = ssl.SSLContext
        context.set_default_verify_paths()

    def load_later(context: ssl.SSLContext) -> None:
        context.__class__ = ContextWithout

    ssl.SSLContext.set_default_verify_paths = load_later  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths  # which leaves that of its base class


@contextlib.contextmanager
def jinja2_imported_when_used() -> Iterator[None]:
    """Lets modules import Template from jinja2 within the block at no cost; jinja2 is imported for the first template.

    aiohttp-apispec imports it for pages that the service has of its own, which takes 40 ms.
    """
    if "jinja2" in sys.modules:
        yield
        return
    stand_in = types.ModuleType("jinja2")
    stand_in.Template = _template  # type: ignore[attr-defined]
    sys.modules["jinja2"] = stand_in
    try:
        yield
    finally:
        del sys.modules["jinja2"]


@contextlib.contextmanager
def large_patterns_compiled_when_used() -> Iterator[None]:
    """Lets modules compile patterns with a range of nearly all characters within the block only when they're used.

    marshmallow compiles one for the domains of e-mail addresses when it's imported, which takes 25 ms, since Python
    looks at each of the 65,000 characters of the range.
    """
    compile_now = re.compile

    def compile_later(pattern: Any, flags: Any = 0) -> Any:
        is_large = isinstance(pattern, str) and LAST_CHARACTER in pattern
        return _LargePattern(lambda: compile_now(pattern, flags)) if is_large else compile_now(pattern, flags)

    re.compile = compile_later
    try:
        yield
    finally:
        re.compile = compile_now


class _LargePattern:
    """A pattern that is compiled for the first use of one of its methods."""

    def __init__(self, compile_now: Callable[[], re.Pattern[str]]) -> None:
        self._compile_now = compile_now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)

    @functools.cached_property
    def _compiled(self) -> re.Pattern[str]:
        return self._compile_now()


def _template(*args: Any, **kwargs: Any) -> Any:
    from jinja2 import Template

    return Template(*args, **kwargs)
