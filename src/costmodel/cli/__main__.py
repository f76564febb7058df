"""Run the command line as `python -m costmodel.cli`."""

from costmodel.cli.app import main

if __name__ == "__main__":
    main()
