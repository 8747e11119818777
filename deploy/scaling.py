#!/usr/bin/env python3
"""What the platform needs at 1, 10, 100 and 1,000 times the load: deploy/scaling.py (Python 3.11, nothing to install).

It multiplies what scaling.toml says, which names where each figure comes from, and prints the tables of SCALING.md.
`deploy/scaling.py other.toml` reads your own figures; `--check` says whether SCALING.md holds what would be printed.
"""

import math
import pathlib
import sys
import tomllib
from collections.abc import Callable

HERE = pathlib.Path(__file__).parent
FACTORS = (1, 10, 100, 1000)
BEGIN, END = "<!-- printed by deploy/scaling.py -->", "<!-- end -->"


def amount(value: float, unit: str = "") -> str:
    """A number with two digits that count: 1.6 k, 23 M; bytes in GB and TB."""
    if unit == "B":
        steps = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
    else:
        steps = (("G", 1e9), ("M", 1e6), ("k", 1e3))
    for name, size in steps:
        if value >= size:
            value, unit = value / size, name
            break
    else:
        unit = unit if value else ""
    digits = 0 if value >= 10 or value == int(value) else 1 if value >= 1 else 2
    return f"{value:.{digits}f} {unit}".strip()


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def at_each(name: str, value: Callable[[int], str]) -> list[str]:
    """A row: the same formula at every factor."""
    return [name, *(value(factor) for factor in FACTORS)]


def tables(figures: dict) -> str:
    load, services, engine = figures["load"], figures["service"], figures["engine"]
    heads = ["", *(f"{factor:,} ×" for factor in FACTORS)]
    customers = lambda f: load["customers"] * f
    peak = lambda f: load["events_per_second_at_peak"] * f
    year = lambda f: load["events_per_customer_and_year"] * customers(f)
    kept = engine["log_retention_days"] / 365
    # Seconds of processor that an event which comes in costs a service or an engine, with the facts that follow from it.
    # A unit of work costs nearly the same for one event as for a hundred: above what was measured one by one, they come
    # together.
    def cost(part: dict, f: int) -> float:
        return part["milliseconds_per_event" if f == 1 else "milliseconds_per_event_together"] / 1000
    engines = {name: figures[name] for name in ("postgres", "nats")}
    parts = []

    parts.append("**The load**\n\n" + table(heads, [
        at_each("customers", lambda f: amount(customers(f))),
        at_each("events a second, at the peak", lambda f: amount(peak(f))),
        at_each("events a year", lambda f: amount(year(f))),
    ]))

    rows = []
    parties = services | engines
    for name, part in parties.items():
        cores = lambda f: peak(f) * cost(part, f)
        rows.append(at_each(name, lambda f: amount(cores(f))))
    total = lambda f: peak(f) * sum(cost(part, f) for part in parties.values())
    rows.append(at_each("**all**", lambda f: f"**{amount(total(f))}**"))
    parts.append("**Cores at the peak**, by service and engine\n\n" + table(heads, rows))

    rows = []
    for name, service in services.items():
        bound = service.get("events_per_second_of_one_writer")
        if bound:
            def writers(f: int) -> str:
                needed = math.ceil(peak(f) * service["events_read"] / bound)
                return "1" if needed <= 1 else f"**{needed}**"
            rows.append(at_each(f"{name} ({amount(bound)} events/s)", writers))
    parts.append(
        "**Writers at the peak**, by service and what one writer was seen to do; where it is more than one, replicas "
        "alone do not help\n\n" + table(heads, rows))

    rows = []
    for name, service in services.items():
        def size(f: int, service=service) -> float:
            events = year(f) * service.get("kept_years", 1) * service["bytes_per_event"]
            return customers(f) * service["bytes_per_customer"] + events
        rows.append(at_each(name, lambda f: amount(size(f), "B")))
    copies = engine["log_copies"]
    rows.append(at_each(f"the log, {copies} copies",
                        lambda f: amount(year(f) * kept * engine["log_bytes_per_event"] * copies, "B")))
    parts.append("**On disk after a year**, by database (without replicas, indexes included), and the log\n\n"
                 + table(heads, rows))

    rows = [at_each("ingest: ids of accepted events", lambda f: amount(
        year(f) * kept * services["ingest"]["memory_bytes_per_event_of_window"], "B"))]
    connections = lambda of_six, of_identity: (6 * of_six + of_identity) * engine["connections_per_replica"]
    usual, most, most_of_identity = (
        engine[name] for name in ("replicas", "replicas_most", "replicas_most_of_identity"))
    parts.append("**Memory that grows with the load**\n\n" + table(heads, rows))
    parts.append(
        f"**Connections** to PostgreSQL: {connections(usual, usual)} with {usual} replicas of each service, "
        f"{connections(most, most_of_identity)} when every autoscaler is at its most ({most}, identity "
        f"{most_of_identity}).")
    return "\n\n".join(parts)


def sources(figures: dict) -> str:
    """Where each figure comes from, said beside it in the file as `<name>_is`."""
    rows = []
    for section, values in figures.items():
        groups = values.items() if all(isinstance(v, dict) for v in values.values()) else [("", values)]
        for group, entries in groups:
            for name, value in entries.items():
                if f"{name}_is" in entries:
                    kind, _, why = entries[f"{name}_is"].partition(": ")
                    place = " ".join(filter(None, [group or section, name.replace("_", " ")]))
                    rows.append([place, f"{value:,}", kind, why])
                elif not name.endswith("_is"):
                    sys.exit(f"scaling.toml: {section}.{group}.{name} does not say where it comes from")
    return table(["figure", "value", "", "where it comes from"], rows)


def main() -> None:
    check = "--check" in sys.argv[1:]
    files = [name for name in sys.argv[1:] if name != "--check"]
    figures = tomllib.loads(pathlib.Path(files[0] if files else HERE / "scaling.toml").read_text("utf-8"))
    printed = tables(figures) + "\n\n**Where the figures come from**\n\n" + sources(figures)
    if check:
        page = (HERE / "SCALING.md").read_text("utf-8")
        there = page.partition(BEGIN)[2].partition(END)[0].strip()
        if there != printed:
            sys.exit(f"SCALING.md is out of date: put what deploy/scaling.py prints between {BEGIN} and {END}")
    else:
        print(printed)


main()
