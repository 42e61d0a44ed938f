"""The measured figures as Markdown and as a plot, and their place in the documents."""

import platform
import re
from importlib.metadata import version
from pathlib import Path

from mlfast._measure import readable

ROOT = Path(__file__).parent.parent
COMMAND = "python -m benchmarks.run --write"
LIBRARIES = ("numpy", "scikit-learn", "xgboost", "pandas")


def markdown(results):
    """Return the tables of all sections."""
    lines = [
        "| one record | in the fastest loop | in a median loop | median | p99 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, row in sorted(results["single"].items(), key=lambda item: item[1]["loop"]):
        values = " | ".join(readable(row[key]) for key in ("best", "loop", "p50", "p99"))
        lines.append(f"| {_code(name)} | {values} |")
    ways = list(next(iter(results["cold"].values())))
    lines += ["", f"| median of a call | {' | '.join(map(_code, ways))} |"]
    lines.append("| --- |" + " ---: |" * len(ways))
    for when, row in results["cold"].items():
        lines.append(f"| {when} | {' | '.join(readable(row[way]) for way in ways)} |")
    lines += ["", "| 100,000 rows, one thread | rows/s |", "| --- | ---: |"]
    lines += [f"| {_code(name)} | {rate:,.0f} |" for name, rate in results["batch"].items()]
    lines += ["", "| before the first prediction | |", "| --- | ---: |"]
    lines += [f"| {_code(name)} | {value:.1f} ms |" for name, value in results["start"].items()]
    return "\n".join([*lines, "", f"{conditions()} Command: `{COMMAND}`."])


def conditions():
    """Return one sentence about the machine and the libraries."""
    return f"{machine(LIBRARIES)}; synthetic passengers, XGBoost with 10 trees of depth 6."


def machine(libraries):
    """Return the processor and the versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return (
        f"Measured on one pinned core of {processor()}, Python {platform.python_version()}, "
        f"{versions}"
    )


def processor():
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def write(results):
    """Put the tables between the markers of README.md, and the plot into docs/."""
    for path in (ROOT / "README.md", ROOT / "docs" / "benchmarks.md"):
        replace(path, "measured", markdown(results))
    plot(results["single"], ROOT / "docs" / "latency.svg")


def replace(path, marker, text):
    """Put `text` between the comments `marker` and `/marker` of a document."""
    path.write_text(
        re.sub(
            rf"(?s)(<!-- {marker} -->).*?(<!-- /{marker} -->)",
            lambda found: f"{found[1]}\n{text}\n{found[2]}",
            path.read_text(),
        )
    )


def plot(single, path):
    """Draw median and p99 of a single record, on a logarithmic axis."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "mlfast"
    from matplotlib import pyplot as plt

    rows = sorted(
        ((name, row) for name, row in single.items() if "reference" not in name),
        key=lambda item: -item[1]["p50"],
    )
    figure, axes = plt.subplots(figsize=(9, 0.36 * len(rows) + 1.2), layout="constrained")
    for y, (name, row) in enumerate(rows):
        colour = "#1d6fa5" if "_one" in name else "#b0b0b0"
        axes.barh(y, row["p50"], color=colour, height=0.62)
        axes.plot([row["p50"], row["p99"]], [y, y], color="#333333", linewidth=1)
        axes.plot(row["p99"], y, "|", color="#333333", markersize=8)
        axes.text(row["p99"] * 1.25, y, readable(row["p50"]), va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(10, max(row["p99"] for _, row in rows) * 12)
    axes.set_xlabel("nanoseconds a record: median (bar) and p99 (line)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _code(name):
    call, _, way = name.partition(" (")
    return f"`{call}` ({way}" if way else f"`{name}`" if "(" in name or "." in name else name
