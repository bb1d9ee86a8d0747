"""`python -m archsim`: the command line."""

from __future__ import annotations

from archsim.cli.main import main

if __name__ == "__main__":
    main()
