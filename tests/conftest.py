"""Shared settings: property tests draw the same examples on every machine, and Ctrl-C means the same everywhere."""

import signal

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("ci")

# A shell that starts the tests in the background lets them, and every command they start, ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
