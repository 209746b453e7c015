"""Hostile input, end to end: what is sent, three apps that get it, and what must come of it."""
