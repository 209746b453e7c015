"""Serve the example: ``python -m example_app [--port PORT]``."""

import argparse

import uvicorn


def main() -> None:
    """Serve on 127.0.0.1 until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m example_app", description="Serve the example.")
    parser.add_argument("--port", type=int, default=8000, help="TCP port (default: %(default)s)")
    arguments = parser.parse_args()
    uvicorn.run("example_app.app:app", host="127.0.0.1", port=arguments.port)


if __name__ == "__main__":
    main()
