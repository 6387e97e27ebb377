"""Toolsets that only tests see."""
