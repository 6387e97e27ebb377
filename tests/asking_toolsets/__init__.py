"""Toolsets that only the tests of confirmations see."""
