"""``python -m mecpfm`` is the same as ``mecpfm``."""

from mecpfm.cli import main

main()
