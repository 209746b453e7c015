"""Validation of decoded documents with pydantic, and the errors that clients see."""
