"""What does `python -m costmodel.cli` do? The same as `costmodel`."""

from costmodel.cli.app import main

if __name__ == "__main__":
    main()
