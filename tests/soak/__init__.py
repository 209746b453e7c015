"""Many clients at one server for a while, good and bad ones: ``python -m tests.soak``."""
