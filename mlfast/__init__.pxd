"""For Cython: ``cimport mlfast``, then ``mlfast.predict_one`` without the GIL (docs/export.md)."""

from mlfast._function cimport Function


cdef inline int predict_one(Function function, const double *features,
                            double *out) noexcept nogil:
    """features: double[function.n_features], out: double[function.n_outputs]; 0 or a refusal."""
    return function.run(function.data, features, out)
