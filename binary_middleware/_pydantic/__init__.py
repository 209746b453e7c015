"""Serialization by pydantic, and rewriting of its core schemas."""
