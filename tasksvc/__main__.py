"""Runs the command line as `python -m tasksvc`."""

from tasksvc.cli import main

if __name__ == "__main__":
    main()
