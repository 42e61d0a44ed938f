"""Settings of all tests."""

import os

import hypothesis

# Small models gain nothing from more threads, and with one every library keeps its order of sums.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: a test's time says more about the machine than about the code.
hypothesis.settings.register_profile(
    "mlfast",
    deadline=None,
    max_examples=50,
    derandomize="CI" in os.environ,  # the same verdict for the same change
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("mlfast")

# Processes that tests start import the installed mlfast, not the source tree they run in.
os.environ["PYTHONSAFEPATH"] = "1"
