"""What every notebook's process needs before its kernel starts; those processes are forked from one that has it."""

import mecpfm.experiments.notebooks  # noqa: F401
from mecpfm.extras import import_nbformat

import_nbformat()  # before papermill imports it with all that it could use
import papermill  # noqa: E402, F401
