"""Builds components: a model writes a cell, and a scratch kernel tries it."""
