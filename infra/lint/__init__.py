"""Checks of the Bicep files that need no compiler: `python -m infra.lint`.

A parser of our own gives a tree in which every part knows its line; pycep-parser reads the same
files as a second opinion. There is no type information of Azure's resources here: a misspelt
property deep inside a resource is found by the compiler only.
"""
