"""What is printed: tables of medians, ratios, and the targets of report.py, met or missed; all of it markdown."""

import statistics

from measure import NOISY
from scenarios import ABOUT

#: key of a row: heading, factor, format
COLUMNS = {
    "rate": ("req/s", 1, "%.0f"),
    "others": ("others/s", 1, "%.0f"),
    "cpu": ("CPU µs/req", 1, "%.0f"),
    "above": ("above the floor", 1, "%+.0f"),
    "p50": ("p50 ms", 1e-3, "%.2f"),
    "p99": ("p99 ms", 1e-3, "%.2f"),
    "start": ("start ms", 1, "%.0f"),
    "first": ("first request ms", 1, "%.1f"),
    "busy": ("cores", 1, "%.2f"),
    "pss": ("PSS MB", 1 / 1024, "%.1f"),
    "pss_child": ("httpd child", 1 / 1024, "%.2f"),
    "pss_daemon": ("daemon", 1 / 1024, "%.2f"),
    "python3": ("python3 alone", 1 / 1024, "%.2f"),
    "wakeups": ("wake-ups/s", 1, "%.1f"),
    "errors": ("errors", 1, "%.0f"),
}
#: only these scenarios show so much
ONLY = {"mixed": ("others", "p50", "p99", "busy", "errors"), "flood": ("others", "p50", "p99", "busy", "errors"),
        "cold": ("start", "first", "errors"), "cold-django": ("start", "first", "errors"),
        "idle": ("pss", "pss_child", "pss_daemon", "python3", "wakeups", "errors"),
        "reload": ("rate", "cpu", "above", "p50", "p99", "errors"), "touch": ("rate", "cpu", "p50", "p99", "errors")}
ALL = ("rate", "cpu", "above", "p50", "p99", "busy", "pss", "pss_child", "pss_daemon", "errors")

#: ours, and whom it is compared with in every scenario
PAIRS = (("ours-daemon", ("6.1.1-daemon", "4.9-daemon", "uwsgi", "gunicorn", "granian", "floor", "ours-daemon-1")),
         ("ours-embedded", ("6.1.1-embedded", "4.9-embedded", "floor")),
         ("ours-asgi", ("uvicorn", "granian-asgi")))

#: scenario, what, ours, "≥" or "≤", factor, theirs
TARGETS = (
    ("hello", "above", "ours-daemon", "≤", 0.17, "6.1.1-daemon"),
    ("hello", "above", "ours-embedded", "≤", 0.10, "6.1.1-embedded"),
    ("hello", "rate", "ours-daemon", "≥", 1.25, "uwsgi"),
    ("latency", "p50", "ours-daemon", "≤", 0.6, "6.1.1-daemon"),
    ("latency", "p50", "ours-embedded", "≤", 1.0, "6.1.1-embedded"),
    ("django", "cpu", "ours-daemon", "≤", 0.48, "6.1.1-daemon"),
    ("django", "rate", "ours-daemon", "≥", 2.1, "6.1.1-daemon"),
    ("django", "rate", "ours-daemon", "≥", 0.92, "ours-daemon-1"),
    ("django", "rate", "ours-embedded", "≥", 1.7, "6.1.1-embedded"),
    ("upload", "above", "ours-daemon", "≤", 0.20, "6.1.1-daemon"),
    ("response", "above", "ours-daemon", "≤", 0.12, "6.1.1-daemon"),
    ("blocks", "cpu", "ours-daemon", "≤", 0.25, "6.1.1-daemon"),
    ("file", "cpu", "ours-daemon", "≤", 1.05, "floor"),
    ("sleep", "rate", "ours-daemon", "≥", 0.97, "threads / 0.02"),
    ("hello", "pss_child", "ours-daemon", "≤", 1.03, "floor"),
    ("upload", "pss_child", "ours-daemon", "≤", 1.03, "floor"),
    ("response", "pss_child", "ours-daemon", "≤", 1.03, "floor"),
    ("idle", "pss_child", "ours-daemon", "≤", 1.03, "floor"),
    ("idle", "pss_daemon", "ours-daemon", "≤", 1.15, "python3 alone"),
    ("asgi-hello", "rate", "ours-asgi", "≥", 2.0, "uvicorn"),
    ("asgi-hello", "rate", "ours-asgi", "≥", 1.3, "granian-asgi"),
    ("asgi-json", "rate", "ours-asgi", "≥", 2.0, "uvicorn"),
    ("asgi-json", "rate", "ours-asgi", "≥", 1.3, "granian-asgi"),
    ("websocket", "rate", "ours-asgi", "≥", 1.5, "uvicorn"),
)

#: in what no scenario may be worse than mod_wsgi's: key, and whether more is better
MEASURED = (("rate", True), ("others", True), ("cpu", False), ("p50", False), ("p99", False), ("start", False),
            ("first", False), ("pss", False), ("pss_child", False), ("pss_daemon", False), ("wakeups", False),
            ("errors", False))


def with_floor(table):
    """The same rows; each that has used CPU also says how much more than httpd alone, in the median, needs for the request."""
    floor = median(table.get("floor"), "cpu")
    if floor is None:
        return table
    return {server: [dict(row, above=row["cpu"] - floor) if server != "floor" and "cpu" in row else row for row in rows]
            for server, rows in table.items()}


def median(rows, key):
    """The median over the rounds, or None where it was not measured."""
    values = [row[key] for row in rows or () if row.get(key) is not None]
    return statistics.median(values) if values else None


def scenario(name, table):
    """The section of one scenario. `table`: rows by server."""
    table = with_floor(table)
    lines = ["### %s" % name, "", ABOUT[name] + ".", ""]
    columns = [key for key in ONLY.get(name, ALL) if any(median(rows, key) is not None for rows in table.values())]
    lines.append("| server | %s | noise | remarks |" % " | ".join(COLUMNS[key][0] for key in columns))
    lines.append("|---" * (len(columns) + 3) + "|")
    for server, rows in table.items():
        if rows:
            cells = [cell(rows, key) for key in columns]
            remarks = "; ".join(sorted({row["problems"] for row in rows if row.get("problems")}))
            lines.append("| %s | %s | %.2f | %s |" % (server, " | ".join(cells), noise(rows), remarks))
    lines += ratios(table, columns)
    return "\n".join(lines) + "\n"


def cell(rows, key):
    value = median(rows, key)
    _, factor, form = COLUMNS[key]
    return "" if value is None else form % (value * factor)


def noise(rows):
    """The most cores of foreign work, stolen time included, in any of the rounds."""
    return max(row.get("foreign", 0) + row.get("steal", 0) for row in rows)


def ratios(table, columns):
    keys = [key for key in columns if key not in ("busy", "errors")]
    lines = []
    for ours, others in PAIRS:
        for theirs in others:
            if answers(table.get(ours)) and answers(table.get(theirs)):
                found = ((COLUMNS[key][0], ratio(table, key, ours, theirs)) for key in keys)
                cells = [" %.2f |" % value if value is not None else "  |" for _, value in found]
                lines.append("| %s / %s |%s" % (ours, theirs, "".join(cells)))
    if lines:
        head = "| ratio | %s |" % " | ".join(COLUMNS[key][0] for key in keys)
        lines = ["", head, "|---" * (len(keys) + 1) + "|"] + lines
    return lines


def answers(rows):
    """Whether the server did what was asked: its numbers mean nothing where it refused."""
    return bool(rows) and median(rows, "errors") <= 0.01 * max(median(rows, "requests") or 0, 100)


def ratio(table, key, ours, theirs):
    mine, other = median(table.get(ours), key), median(table.get(theirs), key)
    return mine / other if mine is not None and other else None


def targets(results, threads):
    """The table of targets, as far as it was measured."""
    results = {name: with_floor(table) for name, table in results.items()}
    lines = ["### Targets", "", "| scenario | what | of | to | target | measured | |", "|---|---|---|---|---|---|---|"]
    for name, key, ours, sign, factor, theirs in TARGETS:
        table = results.get(name, {})
        known = {"threads / 0.02": threads / 0.02, "python3 alone": median(table.get(ours), "python3")}
        if theirs in known:
            mine = median(table.get(ours), key)
            found = mine / known[theirs] if mine and known[theirs] else None
        else:
            found = ratio(table, key, ours, theirs)
        what = {"above": "CPU above the floor"}.get(key, COLUMNS[key][0])
        what = "PSS per " + what if key.startswith("pss_") else what
        lines.append("| %s | %s | %s | %s | %s %.2f | %s | %s |" % (
            name, what, ours, theirs, sign, factor, "" if found is None else "%.2f" % found,
            verdict(sign, factor, found) + (", but noisy" if found and noisy(table, ours, theirs) else "")))
    return "\n".join(lines + [""] + slower(results)) + "\n"


def verdict(sign, factor, found):
    if found is None:
        return "not measured"
    met = found >= factor if sign == "≥" else found <= factor
    return "met" if met else "**missed** by %.0f %%" % (abs(found / factor - 1) * 100)


def noisy(table, *compared):
    """Whether half of the rounds of either server were disturbed by other work."""
    return any(statistics.median(row["foreign"] + row["steal"] for row in table[name]) >= NOISY
               for name in compared if table.get(name))


def slower(results):
    """Where ours is worse than a mod_wsgi in anything measured."""
    found = []
    for name, table in results.items():
        for mode in ("daemon", "embedded"):
            for version in ("6.1.1", "4.9"):
                ours, theirs = "ours-" + mode, "%s-%s" % (version, mode)
                for key, more_is_better in MEASURED:
                    if key not in ONLY.get(name, ALL):
                        continue
                    found += worse(name, table, key, ours, theirs, more_is_better)
    if not found:
        return ["Nothing measured is worse than with mod_wsgi: met."]
    return ["Worse than with mod_wsgi (the issue wants none; below 5 % it may be noise):", ""] + found


def worse(name, table, key, ours, theirs, more_is_better):
    mine, other = median(table.get(ours), key), median(table.get(theirs), key)
    if mine is None or other is None or (mine >= other if more_is_better else mine <= other):
        return []
    heading, factor, form = COLUMNS[key]
    by = " (%+.0f %%)" % ((mine / other - 1) * 100) if other else ""
    by += ", but noisy" if noisy(table, ours, theirs) else ""
    return ["* %s, %s: %s of %s, %s of %s%s" % (
        name, heading, form % (mine * factor), ours, form % (other * factor), theirs, by)]


def replace_section(path, name, text):
    """Puts the text between the two marker lines of that name in a markdown file."""
    begin, end, old = "<!-- %s: begin -->" % name, "<!-- %s: end -->" % name, path.read_text()
    if begin not in old or end not in old:
        raise SystemExit("%s has no lines %s and %s to put the results between" % (path, begin, end))
    path.write_text(old[: old.index(begin) + len(begin)] + "\n\n" + text.strip() + "\n\n" + old[old.index(end):])
