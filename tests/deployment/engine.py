"""A container engine for the tests: a Docker daemon whose images, containers and networks end with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from deployment.surroundings import BRIDGE, CONTROL_GROUP, FOLDERS, surroundings

START_SECONDS = 60.0
BUILD_SECONDS = 540.0
PATIENCE = 180.0
"""Seconds for containers to start, on a busy machine."""


def until(condition: Callable[[], bool], what: str, *, seconds: float = PATIENCE) -> None:
    """Waits until `condition` holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"in {seconds:g} s it did not happen that {what}"
        time.sleep(0.2)


class Engine:
    """A Docker daemon in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        """Returns the environment of programs that talk to the daemon."""
        host = f"unix://{self.folder}/socket"
        return {**os.environ, "DOCKER_HOST": host, "DOCKER_CONFIG": str(self.folder), "DOCKER_BUILDKIT": "0"}

    def docker(self, *words: str, folder: Path | None = None, seconds: float = PATIENCE) -> str:
        """Runs a command of `docker` and returns its output. Fails if the command does."""
        return self.run("docker", *words, folder=folder, seconds=seconds).stdout

    def run(
        self, *words: str, folder: Path | None = None, seconds: float = PATIENCE, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program that talks to this engine."""
        done = subprocess.run(
            words, cwd=folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"$ {' '.join(words)}\n{done.stdout[-3_000:]}{done.stderr[-3_000:]}"
        return done

    def carry_out(self, commands: Sequence[str], folder: Path) -> list[str]:
        """Runs `commands` in one shell until one fails, and returns the output of each."""
        script = "".join(f"{command}\nprintf '\\036'\n" for command in commands)
        done = self.run("bash", "-euo", "pipefail", "-xc", script, folder=folder, seconds=BUILD_SECONDS)
        return done.stdout.split("\x1e")[:-1]

    def import_root(self, root: Path, tag: str) -> None:
        """Creates an image of a folder with a whole system."""
        with subprocess.Popen(["tar", "--create", "--directory", root, "."], stdout=subprocess.PIPE) as packing:
            subprocess.run(
                ["docker", "import", "--change", 'CMD ["bash"]', "-", tag],
                stdin=packing.stdout, env=self.environment, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        assert packing.returncode == 0

    def build(self, tag: str, dockerfile: Path, context: Path) -> None:
        """Builds the image of a Dockerfile."""
        self.docker(
            "build", "--tag", tag, "--file", str(dockerfile), *self._proxies(), str(context), seconds=BUILD_SECONDS
        )

    @staticmethod
    def _proxies() -> Sequence[str]:
        names = ("http_proxy", "https_proxy", "no_proxy")
        return [word for name in names if name in os.environ for word in ("--build-arg", name)]

    @contextlib.contextmanager
    def container(self, image: str, *words: str, options: Sequence[str] = ()) -> Iterator[str]:
        """Runs a container until the end of the `with` block, and yields its name."""
        name = self.docker("run", "--detach", *options, image, *words).strip()
        try:
            yield name
        finally:
            self.docker("rm", "--force", "--volumes", name)

    def kill(self, container: str) -> None:
        """Kills the first process of a container, as the kernel does when memory is short."""
        pid = self.docker("inspect", "--format", "{{.State.Pid}}", container).strip()
        self.run(*self.inside, "kill", "-KILL", pid)

    @property
    def inside(self) -> Sequence[str]:
        """Returns what to put before a command so that it runs among the processes of the daemon."""
        return ("nsenter", f"--pid=/proc/{(self.folder / 'unshare').read_text()}/ns/pid_for_children")

    def health(self, container: str) -> str:
        """Returns `starting`, `healthy` or `unhealthy`; or the state of a container that doesn't run."""
        state = "{{if .State.Running}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
        return self.docker("inspect", "--format", state, container).strip()

    def logs(self, container: str) -> str:
        """Returns what the container wrote to both streams."""
        done = self.run("docker", "logs", container)
        return done.stdout + done.stderr


@contextlib.contextmanager
def daemon() -> Iterator[Engine]:
    """A Docker daemon that ends with these tests, however they end, and takes its mounts and processes with it."""
    with surroundings() as folder:
        engine = Engine(folder)
        own_folders = "".join(f"mount -t tmpfs none {place}; " for place in FOLDERS)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    "setpriv", "--pdeathsig", "KILL",
                    "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                    "sh", "-ec", f'{own_folders}exec docker-init -- dockerd "$@"', "dockerd",
                    "--host", f"unix://{folder}/socket", "--data-root", folder / "data", "--exec-root", folder / "run",
                    "--pidfile", folder / "pid", "--bridge", BRIDGE, "--cgroup-parent", f"/{CONTROL_GROUP}",
                    "--iptables=false", "--ip6tables=false", "--ip-forward=false",
                ],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        (folder / "unshare").write_text(str(process.pid))

        def answers() -> bool:
            assert process.poll() is None, (folder / "log").read_text()[-3_000:]
            return engine.run("docker", "version", check=False).returncode == 0

        try:
            until(answers, "the Docker daemon answers", seconds=START_SECONDS)
            yield engine
            if containers := engine.docker("ps", "--all", "--quiet").split():
                engine.docker("rm", "--force", "--volumes", *containers)
        finally:
            # The first of the daemon's processes, with which the kernel ends all others before it can be waited for.
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            process.wait()
