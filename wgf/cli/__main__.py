"""`python -m wgf.cli` does the same as the command `wgf`."""

from . import main

if __name__ == "__main__":
    main()
