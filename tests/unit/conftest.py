"""Hypothesis without a deadline, since a busy machine isn't a failure."""

from hypothesis import settings

settings.register_profile("tasksvc", deadline=None)
settings.load_profile("tasksvc")
