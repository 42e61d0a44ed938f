"""The known values of a categorical field, numbered."""

from mlfast.errors import SpecError
from mlfast.spec._base import Spec

Key = str | int | float


class Vocabulary(Spec):
    """Keys and their codes: key `i` has code `i`; three more codes follow.

    Two keys are the same value when Python says that they are equal, except
    that numbers never equal strings: ``1``, ``1.0`` and ``True`` are one key.

    Parameters
    ----------
    keys : tuple of str, int or float
        Distinct, finite or infinite, never NaN; an int fits in 64 bits signed;
        a float that is a whole number in that range is stored as int.

    Notes
    -----
    Code ``n`` (`unknown`) is any other value, ``n + 1`` (`none`) is None and
    ``n + 2`` (`nan`) is NaN, pandas.NA or NaT. `n_codes` is ``n + 3``.
    """

    keys: tuple[Key, ...]

    @property
    def unknown(self) -> int:
        return len(self.keys)

    @property
    def none(self) -> int:
        return len(self.keys) + 1

    @property
    def nan(self) -> int:
        return len(self.keys) + 2

    @property
    def n_codes(self) -> int:
        return len(self.keys) + 3

    def _check(self) -> None:
        self._require(isinstance(self.keys, tuple), "keys", "a tuple")
        for key in self.keys:
            if type(key) not in (str, int, float):
                raise SpecError(f"Vocabulary.keys: expected str, int or float, got {key!r}")
            if key != key or (type(key) is int and not -(2**63) <= key < 2**63):
                raise SpecError(f"Vocabulary.keys: {key!r} cannot be a key")
            if type(key) is float and key.is_integer() and -(2.0**63) <= key < 2.0**63:
                raise SpecError(f"Vocabulary.keys: {key!r} must be stored as an int")
        self._require(len(set(self.keys)) == len(self.keys), "keys", "distinct keys")
