"""Options per route: rules, paths, and which of them hold for a request."""
