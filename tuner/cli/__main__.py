"""`python -m tuner.cli` is `tunesmith`."""

from tuner.cli import entry

if __name__ == "__main__":
    entry()
