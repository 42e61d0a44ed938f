"""The native predictor's members; see `_core.pyx`."""

from mlfast._plan cimport mlf_plan, mlf_workspace, NativePlan
from mlfast._record cimport Layout, Reader


cdef class Predictor:
    cdef mlf_plan plan                  # a copy: what it points to is native's
    cdef mlf_workspace offsets
    cdef size_t workspace
    cdef readonly NativePlan native
    cdef Layout layout
    cdef Reader _last
    cdef dict _readers
    cdef tuple _labels
    cdef int _allowed                   # bit k: Answer k can be given


cdef Reader find_reader(Predictor self, record)
