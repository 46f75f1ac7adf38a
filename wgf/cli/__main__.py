"""`python -m wgf.cli` is `wgf`."""

from . import main

if __name__ == "__main__":
    main()
