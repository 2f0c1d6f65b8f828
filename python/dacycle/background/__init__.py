"""The static background-error covariance B, estimated from runs for `covariance = 'file'`."""

from dacycle.background.covariance import (
    FITTED,
    Covariance,
    Fit,
    best_fit,
    correlation,
    daley_length,
    lag_covariances,
    write_covariance,
)
from dacycle.background.samples import METHODS, Samples, climatology, deviations, differences

__all__ = [
    "FITTED",
    "METHODS",
    "Covariance",
    "Fit",
    "Samples",
    "best_fit",
    "climatology",
    "correlation",
    "daley_length",
    "deviations",
    "differences",
    "lag_covariances",
    "write_covariance",
]
