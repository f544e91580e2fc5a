"""Measurements beside the limit and beside what others do; both sides of a ratio in one run."""
