"""The command line: `costmodel estimate ...`; every problem of an input in one list, exit code 2."""

from costmodel.cli.app import main

__all__ = ["main"]
