"""Documents as bytes and back. No HTTP, no ASGI."""
