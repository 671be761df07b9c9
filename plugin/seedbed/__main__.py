"""`python -m seedbed` is the `seedbed` command."""

from seedbed.cli import main

if __name__ == "__main__":
    main()
