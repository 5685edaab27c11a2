"""The command line, which runs the service and works on its stores."""

from tasksvc.cli.main import main

__all__ = ["main"]
