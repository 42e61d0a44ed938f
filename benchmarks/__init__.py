"""Benchmarks, for `asv run` and ``python -m benchmarks.run``."""
