"""Hypothesis without a deadline, since a busy machine isn't a failure; test_many_examples.py asks for more examples."""

import os

from hypothesis import settings

settings.register_profile("tasksvc", deadline=None, max_examples=int(os.environ.get("TASKSVC_TEST_EXAMPLES", "30")))
settings.load_profile("tasksvc")
