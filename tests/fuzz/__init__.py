"""A coverage-guided fuzzer. Nothing is imported here: what is imported early is not traced."""
