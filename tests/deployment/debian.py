"""A Debian root folder from the mirrors of this machine, in place of the image of that name."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

SLIM = """force-unsafe-io
path-exclude /usr/share/doc/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
"""
"""The configuration of dpkg in Debian's slim images."""
CERTIFICATES = "/etc/pip-certificates.crt"


class NoMirror(Exception):
    """This machine's apt has no mirror of that release."""


def make_root(folder: Path, release: str) -> None:
    """Creates a minimal Debian, which fetches packages as this machine does. Raises NoMirror."""
    sources = list(_sources(release))
    main = next((uri for uri, suite, _ in sources if suite == release), None)
    if main is None:
        raise NoMirror(f"apt is set up for no mirror of Debian {release} here.")
    # What it mounts below the folder is gone when it ends, and it ends with these tests.
    own = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount")
    subprocess.run(
        [*own, "debootstrap", "--variant=minbase", release, str(folder), main], check=True, stdout=subprocess.DEVNULL
    )
    (folder / "etc/dpkg/dpkg.cfg.d/docker").write_text(SLIM)
    (folder / "etc/apt/apt.conf.d/docker").write_text('Acquire::Languages "none";\n')
    lines = [f"deb {uri} {suite} {component}\n" for uri, suite, component in sources]
    (folder / "etc/apt/sources.list").write_text("".join(lines))
    (folder / "etc/pip.conf").write_text(_pip_settings(folder))


def _sources(release: str) -> Iterator[tuple[str, str, str]]:
    """Yields URI, suite and component of what apt gets from the mirrors of `release`."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    for line in sorted(set(listed.stdout.splitlines())):
        uri, suite, component = line.split()
        if suite == release or suite.startswith(f"{release}-"):
            yield uri, suite, component


def _pip_settings(folder: Path) -> str:
    """Writes this machine's pip configuration to `folder`, without what is on its disk."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings: dict[str, str] = {}
    for line in listed.splitlines():
        key, _, quoted = line.partition("=")
        name, value = key.rpartition(".")[2], quoted.strip("'")
        if name == "cert":
            shutil.copy(value, folder / CERTIFICATES.lstrip("/"))
            settings[name] = CERTIFICATES
        elif name in ("index-url", "extra-index-url"):
            settings[name] = " ".join(
                url for url in value.replace("\\n", " ").split() if urlsplit(url).scheme != "file"
            )
        elif name in ("default-timeout", "timeout", "trusted-host"):
            settings[name.removeprefix("default-")] = value.replace("\\n", " ")
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items() if value)
