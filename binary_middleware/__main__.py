"""``python -m binary_middleware``, and the script ``binary-middleware``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; print one line if its packages are not installed."""
    try:
        from binary_middleware.cli import main as run
    except ImportError as exc:
        sys.exit(f"Error: {exc}")
    run()


if __name__ == "__main__":
    main()
