"""Times of whole loops over many records: free of what reading the clock takes."""

import time


def loop_times(contenders, seconds):
    """Return nanoseconds a call in every round over a contender's arguments, rounds interleaved."""
    samples = {name: [] for name in contenders}
    spent = dict.fromkeys(contenders, 0.0)
    share = seconds / len(contenders)
    while pending := [name for name in contenders if spent[name] < share]:
        for name in pending:
            function, arguments = contenders[name]
            start = time.perf_counter()
            for argument in arguments:
                function(argument)
            took = time.perf_counter() - start
            spent[name] += took
            samples[name].append(took / len(arguments) * 1e9)
    return samples
