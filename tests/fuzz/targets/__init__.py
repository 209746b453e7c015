"""The targets of fuzzing, each in a module of its name.

A target has ``check``, which raises if an input shows a fault; ``seeds``, the inputs to start from;
and ``TOKENS``, pieces of input that mutation alone would hardly find.
"""

ALL = ("unpackb", "accept", "middleware", "fields", "readers")
"""The targets that run unless one is named."""
