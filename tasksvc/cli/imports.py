"""Ways to import modules in less time, for commands whose user waits for them."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Keeps Python from looking for garbage within the block, where modules are imported that make next to none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
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


class DeferredCertificates:
    """Creates TLS contexts within a `with` block without the system's certificates, which load() loads later.

    aiohttp's HTTP client creates two when it's imported, whose certificates take 50 ms each to load.  The
    service doesn't use that client to start.
    """

    def __init__(self) -> None:
        self._without: list[ssl.SSLContext] = []

    def __enter__(self) -> DeferredCertificates:
        import ssl

        def set_default_verify_paths(context: ssl.SSLContext) -> None:
            self._without.append(context)

        ssl.SSLContext.set_default_verify_paths = set_default_verify_paths  # type: ignore[method-assign,assignment]
        return self

    def __exit__(self, *_: object) -> None:
        import ssl

        del ssl.SSLContext.set_default_verify_paths  # which leaves that of its base class

    def load(self) -> threading.Thread:
        """Loads the certificates in a thread, which it returns.  Later calls load nothing."""
        without, self._without = self._without, []

        def load_all() -> None:
            for context in without:
                context.set_default_verify_paths()

        thread = threading.Thread(target=load_all, name="tasksvc-certificates", daemon=True)
        thread.start()
        return thread


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


def _template(*args: Any, **kwargs: Any) -> Any:
    from jinja2 import Template

    return Template(*args, **kwargs)
