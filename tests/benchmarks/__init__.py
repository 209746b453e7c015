"""Benchmarks of binary mode against its alternatives: ``python -m tests.benchmarks --help``."""
