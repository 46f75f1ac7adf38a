"""`python -m wgf` does the same as the command `wgf`; torchrun starts several processes by it."""

from .cli import main

if __name__ == "__main__":
    main()
