"""Figures of `benchmarks.trees` as Markdown and as a plot."""

from importlib.metadata import PackageNotFoundError, version

from benchmarks.peers import TOLERANCE
from benchmarks.report import ROOT, machine, replace
from mlfast._measure import readable

COMMAND = "python -m benchmarks.trees --write"
LIBRARIES = ("xgboost", "lightgbm", "scikit-learn", "onnxruntime", "tl2cgen", "treelite")
NATIVE, PEER = "native", "native: tl2cgen"
ONE = "predict_one(float64 row)"
OURS = (NATIVE, ONE, "predict_one(tuple)", "empty function", PEER)


def markdown(results):
    """Return the tables of the sections that were measured."""
    parts = []
    for section, table in (
        ("single", _single), ("batch", _batch), ("threads", _threads), ("exported", _exported),
        ("start", _start),
    ):  # fmt: skip
        rows = {name: row for name, row in results.items() if section in row}
        if rows:
            parts += [*table(rows), ""]
    parts += _differing(results)
    libraries = [name for name in LIBRARIES if _installed(name)]
    return "\n".join([*parts, f"{machine(libraries)}; synthetic data. Command: `{COMMAND}`."])


def _differing(results):
    """Name the engines whose answers are off on some rows."""
    found = [
        f"{peer} on {100 * share:.1f} % of the rows of {row['title']}"
        for row in results.values()
        for peer, share in row.get("off", {}).items()
        if share > 0
    ]
    if found:
        yield f"Answers further than {TOLERANCE} from the original's: {'; '.join(found)}."
        yield ""


def _installed(name):
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def median(row, way):
    return row[way][1]


def best_peer(row, names=None):
    """Return the fastest of the peers by its median, or None."""
    names = [name for name in row if name not in (*OURS, "mlfast", "ten single calls")]
    return min(names, key=lambda name: row[name][1], default=None)


def _single(results):
    yield "| one row, median | native | if/else, native | | `predict_one` | tuple | best peer | |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in results.values():
        times = row["single"]
        native, one = times[NATIVE][1], times[ONE][1]
        peer = best_peer(times)
        ifelse = times.get(PEER)
        yield _line(
            row["title"],
            readable(native),
            readable(ifelse[1]) if ifelse else "",
            f"{ifelse[1] / native:.1f} x" if ifelse else "",
            readable(one),
            readable(times["predict_one(tuple)"][1]),
            f"{peer} {readable(times[peer][1])}",
            f"{times[peer][1] / one:.0f} x",
        )


def _batch(results):
    yield "| rows a second | 100,000 rows | best peer | | 1,000 rows | 10 rows | 10 single calls |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in results.values():
        large, middle, small = row["batch"].values()
        peer = best_peer(large)
        yield _line(
            row["title"],
            _rate(large["mlfast"]),
            f"{peer} {_rate(large[peer])}",
            f"{large[peer][1] / large['mlfast'][1]:.1f} x",
            _rate(middle["mlfast"]),
            _rate(small["mlfast"]),
            _rate(small["ten single calls"]),
        )


def _threads(results):
    yield "| 100,000 rows, rows a second | one thread | two threads | |"
    yield "| --- | ---: | ---: | ---: |"
    for row in results.values():
        one, two = row["threads"].values()
        yield _line(row["title"], _rate(one), _rate(two), f"{one[1] / two[1]:.2f} x")


def _exported(results):
    names = list(next(iter(results.values()))["exported"])
    yield f"| exported C99, median a row | {' | '.join(names[1:])} | mlfast, one row |"
    yield "| --- |" + " ---: |" * len(names)
    for row in results.values():
        times = row["exported"]
        yield _line(row["title"], *(readable(times[n][1]) for n in (*names[1:], NATIVE)))


def _start(results):
    yield (
        "| before the first prediction | compile | load | memory | file | export C | library "
        "| tl2cgen | its library |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in results.values():
        start = row["start"]
        yield _line(
            row["title"],
            *(readable(start[name] * 1e9) for name in ("compile", "load")),
            _size(start["memory"]) if start["memory"] is not None else "",
            _size(start["saved"]),
            readable(start["export"] * 1e9),
            _size(start["library"]),
            readable(start["tl2cgen"] * 1e9) if "tl2cgen" in start else "",
            _size(start["tl2cgen library"]) if "tl2cgen" in start else "",
        )


def _line(*cells):
    return f"| {' | '.join(cells)} |"


def _rate(times):
    rate = 1e9 / times[1]
    return f"{rate / 1e6:.3g} million" if rate >= 1e6 else f"{rate:,.0f}"


def _size(n_bytes):
    return f"{n_bytes / 1e6:.2g} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.3g} kB"


# ---------------------------------------------------------------- into the documents


def write(results):
    """Put the tables into docs/benchmarks.md, and the plot beside it."""
    replace(ROOT / "docs" / "benchmarks.md", "trees", markdown(results))
    plot(results, ROOT / "docs" / "trees.svg")


SERIES = (
    # label, colour, marker, (section, contenders)
    ("mlfast, called in C", "#0b3c5d", "D", NATIVE),
    ("mlfast", "#1d8fcf", "o", ONE),
    ("if/else code (tl2cgen)", "#c96f1a", "D", PEER),
    ("model's own library", "#8a8a8a", "o", "own"),
    ("ONNX Runtime", "#b8b8b8", "s", "ONNX Runtime"),
)


def plot(results, path):
    """Draw single rows (time) and large batches (rows a second), both logarithmic."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "mlfast"
    from matplotlib import pyplot as plt

    rows = list(results.values())[::-1]
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 0.46 * len(rows) + 1.6), layout="constrained", sharey=True
    )
    for y, row in enumerate(rows):
        _dots(left, y, row["single"], 1e-3, invert=False)
        batch = next(iter(row["batch"].values()))
        compiled = {PEER: batch["tl2cgen"]} if "tl2cgen" in batch else {}
        _dots(right, y, {ONE: batch["mlfast"]} | compiled | batch, 1e9, invert=True)
    left.set_yticks(range(len(rows)), [row["title"].replace(", ", ",\n", 1) for row in rows])
    left.set_xlabel("microseconds a row, one at a time (left is better)")
    right.set_xlabel("rows a second in batches of 100,000 (right is better)")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.tick_params(labelsize=8)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
    handles, labels = left.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper center", ncols=5,
                  frameon=False, fontsize=8)  # fmt: skip
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _dots(axes, y, times, scale, invert):
    """One model's contenders on a line from the fastest to the slowest."""
    own = next((n for n in ("XGBoost", "LightGBM", "scikit-learn") if n in times), None)
    found = []
    for label, colour, marker, name in SERIES:
        value = times.get(own if name == "own" else name)
        if value is None:
            continue
        x = scale / value[1] if invert else value[1] * scale
        found.append(x)
        axes.plot(x, y, marker, color=colour, markersize=7, label=label, zorder=3)
    axes.plot([min(found), max(found)], [y, y], color="#d0d0d0", linewidth=1.5, zorder=1)
