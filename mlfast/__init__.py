"""One prediction inside a Python process, as fast as the hardware allows."""
