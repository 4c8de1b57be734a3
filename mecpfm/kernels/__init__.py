"""Numba kernels: arrays in, arrays out, no hidden random state; each has a slow twin in tests/."""
