"""The command line `costmodel`. Invalid input prints every problem on standard error and exits with code 2."""

from costmodel.cli.app import main

__all__ = ["main"]
