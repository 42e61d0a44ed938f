# cython: boundscheck=False, wraparound=False
"""Scores rows with an mlfast predictor inside a loop of C, without the GIL."""

cimport mlfast


def score(mlfast.Function function, const double[:, ::1] rows, double[:, ::1] out):
    """Write the answers of all rows; the number of the first row that is refused, or -1."""
    cdef Py_ssize_t row, refused = -1
    if rows.shape[1] != function.n_features or out.shape[1] != function.n_outputs:
        raise ValueError(f"expected {function.n_features} columns in, {function.n_outputs} out")
    if out.shape[0] < rows.shape[0]:
        raise ValueError(f"expected room for {rows.shape[0]} rows, got {out.shape[0]}")
    with nogil:
        for row in range(rows.shape[0]):
            if mlfast.predict_one(function, &rows[row, 0], &out[row, 0]) != 0:
                refused = row
                break
    return refused
