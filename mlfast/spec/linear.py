"""Linear models."""

import numpy as np

from mlfast.spec._base import Spec


class Linear(Spec):
    """``coef @ x + intercept`` in float64.

    Parameters
    ----------
    coef : float64 (n_outputs, n_features)
    intercept : float64 (n_outputs,)
    """

    coef: np.ndarray
    intercept: np.ndarray

    @property
    def n_features(self) -> int:
        return int(self.coef.shape[1])

    @property
    def n_outputs(self) -> int:
        return int(self.coef.shape[0])

    def _check(self) -> None:
        coef = self._array("coef", np.float64, (None, None))
        self._require(coef.shape[0] >= 1, "coef", "at least one output")
        self._array("intercept", np.float64, (coef.shape[0],))
