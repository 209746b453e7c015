"""A small service for images and sounds, as an example of an application that gains a binary mode.

The endpoints in :mod:`example_app.app` are ordinary FastAPI; the only line that concerns the
binary mode is the call of ``add_binary_mode``. :mod:`example_app.demo` calls every endpoint in both
modes and compares the responses.
"""
