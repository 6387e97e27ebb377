"""Toolsets that only the tests of streaming see."""
