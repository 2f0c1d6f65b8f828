"""Forecast models: the Fortran kernels on NumPy arrays."""
