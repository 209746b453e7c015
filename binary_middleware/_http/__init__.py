"""HTTP rules as functions of headers and options. No I/O, no ASGI app."""
