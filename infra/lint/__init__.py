"""Checks of the Bicep files that need no compiler: `python -m infra.lint`.

A parser of our own gives a tree in which every part knows its line; pycep-parser reads the same
files as a second opinion. Left to the compiler, which is run where there is one: the properties of
Azure's resources, what functions take, circular references, where loops may stand.
"""
