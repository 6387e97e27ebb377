"""Toolsets that only the tests of resources and prompts see."""
