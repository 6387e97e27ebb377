"""The official conformance suite; `python -m tests.conformance` runs it."""
