"""A container engine of our own: a Docker daemon whose images, containers and networks end with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

START_SECONDS = 60.0
BUILD_SECONDS = 540.0
PATIENCE = 180.0
"""Seconds for containers to come up, on a machine that does much else."""
BRIDGE = "docker0"
"""What Docker calls the network of containers that name none."""
ADDRESS = "172.29.240.1/24"


def until(condition: Callable[[], bool], what: str, *, seconds: float = PATIENCE) -> None:
    """Waits until `condition` holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"in {seconds:g} s it did not happen that {what}"
        time.sleep(0.2)


class Engine:
    """From the start of the `with` block to its end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="docker-"))  # short, since sockets are in it
        self._process: subprocess.Popen[bytes] | None = None
        self._had_bridge = Path(f"/sys/class/net/{BRIDGE}").exists()

    @property
    def environment(self) -> dict[str, str]:
        """For programs that talk to it."""
        host = f"unix://{self.folder}/socket"
        return {**os.environ, "DOCKER_HOST": host, "DOCKER_CONFIG": str(self.folder), "DOCKER_BUILDKIT": "0"}

    def __enter__(self) -> Self:
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd", "--host", f"unix://{self.folder}/socket", "--data-root", self.folder / "data",
                    "--exec-root", self.folder / "run", "--pidfile", self.folder / "pid", "--bip", ADDRESS,
                ],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            until(self._answers, "the Docker daemon answers", seconds=START_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()[-3_000:]
        return self.run("docker", "version", check=False).returncode == 0

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        with contextlib.suppress(AssertionError):
            if containers := self.docker("ps", "--all", "--quiet").split():
                self.docker("rm", "--force", "--volumes", *containers)
        self._process.terminate()
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not self._had_bridge:
            subprocess.run(["ip", "link", "delete", BRIDGE], check=False, capture_output=True)
        shutil.rmtree(self.folder)

    def docker(self, *words: str, folder: Path | None = None, seconds: float = PATIENCE) -> str:
        """What a command of `docker` prints; fails where that fails."""
        return self.run("docker", *words, folder=folder, seconds=seconds).stdout

    def run(
        self, *words: str, folder: Path | None = None, seconds: float = PATIENCE, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """A program that talks to this engine."""
        done = subprocess.run(
            words, cwd=folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"$ {' '.join(words)}\n{done.stdout[-3_000:]}{done.stderr[-3_000:]}"
        return done

    def carry_out(self, commands: Sequence[str], folder: Path) -> list[str]:
        """Runs `commands` in one shell, one after another until one fails; what each of them prints."""
        script = "".join(f"{command}\nprintf '\\036'\n" for command in commands)
        done = self.run("bash", "-euo", "pipefail", "-xc", script, folder=folder, seconds=BUILD_SECONDS)
        return done.stdout.split("\x1e")[:-1]

    def import_root(self, root: Path, tag: str) -> None:
        """Makes an image of a folder with a whole system."""
        with subprocess.Popen(["tar", "--create", "--directory", root, "."], stdout=subprocess.PIPE) as packing:
            subprocess.run(
                ["docker", "import", "--change", 'CMD ["bash"]', "-", tag],
                stdin=packing.stdout, env=self.environment, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        assert packing.returncode == 0

    def build(self, tag: str, dockerfile: Path, context: Path) -> None:
        """Makes an image as a Dockerfile says."""
        self.docker(
            "build", "--tag", tag, "--file", str(dockerfile), *self._proxies(), str(context), seconds=BUILD_SECONDS
        )

    @staticmethod
    def _proxies() -> Sequence[str]:
        names = ("http_proxy", "https_proxy", "no_proxy")
        return [word for name in names if name in os.environ for word in ("--build-arg", name)]

    @contextlib.contextmanager
    def container(self, image: str, *words: str, options: Sequence[str] = ()) -> Iterator[str]:
        """The name of a container that runs until the end of the `with` block."""
        name = self.docker("run", "--detach", *options, image, *words).strip()
        try:
            yield name
        finally:
            self.docker("rm", "--force", "--volumes", name)

    def health(self, container: str) -> str:
        """`starting`, `healthy` or `unhealthy`; or the state of a container that does not run."""
        state = "{{if .State.Running}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
        return self.docker("inspect", "--format", state, container).strip()

    def logs(self, container: str) -> str:
        """What it wrote on both streams."""
        done = self.run("docker", "logs", container)
        return done.stdout + done.stderr
