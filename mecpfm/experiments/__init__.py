"""Sweeps, statistics, notebooks and claims."""
