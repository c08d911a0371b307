"""The tables and plots of scale.py: one picture per curve with a small plot for each quantity, both axes logarithmic."""

import re

#: key of a row: heading with unit, factor
QUANTITIES = {
    "cpu": ("CPU per request, µs", 1),
    "rate": ("requests per second", 1),
    "p50": ("p50, ms", 1e-3),
    "p99": ("p99, ms", 1e-3),
    "mean": ("mean time, ms", 1e-3),
    "configtest": ("configtest, ms", 1),
    "start": ("start to first 200, ms", 1),
    "start_cpu": ("CPU of the start, s", 1),
    "graceful": ("graceful restart, ms", 1),
    "graceful_cpu": ("CPU of it, s", 1),
    "pss_parent": ("parent, MB", 1 / 1024),
    "pss_child": ("httpd child, MB", 1 / 1024),
    "pss_supervisor": ("supervisor, MB", 1 / 1024),
    "pss_daemon": ("each daemon, MB", 1 / 1024),
    "pss": ("whole server, MB", 1 / 1024),
    "per_connection": ("memory per connection, KiB", 1),
    "wakeups": ("wake-ups per second, idle", 1),
    "lost": ("connections or requests lost", 1),
}
#: what each curve shows
SHOWN = {
    "connections": ("cpu", "rate", "p50", "p99", "pss_child", "wakeups"),
    "processes": ("cpu", "rate", "p99", "start", "graceful", "graceful_cpu", "pss_daemon", "pss", "wakeups"),
    "virtual-hosts": ("configtest", "start", "graceful", "graceful_cpu", "pss_parent", "pss_child", "pss_supervisor", "cpu",
                      "p99", "wakeups"),
    "groups": ("configtest", "start", "start_cpu", "graceful", "graceful_cpu", "pss_parent", "pss_child", "pss_supervisor",
               "pss_daemon", "cpu", "p99", "wakeups"),
    "kept-alive": ("cpu", "p50", "p99", "pss_child", "per_connection", "wakeups", "lost"),
    "long": ("cpu", "p50", "p99", "lost"),
    "protocols": ("cpu", "rate", "mean", "pss_child"),
}
ABOUT = {
    "connections": "hello over so many kept-alive connections at once; one httpd child of 256 threads",
    "processes": "hello with so many daemon processes of 8 threads, at least 16 connections",
    "virtual-hosts": "so many name-based virtual hosts that share one group; the last one is asked",
    "groups": "so many groups of one process, each with a virtual host; the last one is asked",
    "kept-alive": "hello over 16 connections, while so many others are kept open and silent",
    "long": "short requests over two connections, with pauses of 5 ms, beside so many that take 10 s",
    "protocols": "hello by h2load over 16 connections; HTTP/2 with 4 streams each",
}
STYLES = {"ours": ("#0b6", "o-"), "6.1.1": ("#c40", "s-"), "floor": ("#888", "^--")}
NAMES = {"ours": "this project", "6.1.1": "mod_wsgi 6.1.1", "floor": "httpd alone"}


def line(name, server, size, row):
    """One measured point, for whoever waits."""
    cells = ("%s %.4g" % (key, row[key] * QUANTITIES[key][1]) for key in SHOWN[name] if row.get(key) is not None)
    return "%s %s, %s: %s%s" % (name, size, server, ", ".join(cells),
                                "; " + row["problems"] if row.get("problems") else "")


def order(size):
    return (0, float(size), "") if re.fullmatch(r"[\d.]+", size) else (1, 0, size)


def table(name, rows):
    """One curve as markdown: a row for each size and server."""
    keys = [key for key in SHOWN[name] if any(row.get(key) is not None for by in rows.values() for row in by.values())]
    lines = ["| size | server | %s |" % " | ".join(QUANTITIES[key][0] for key in keys), "|---" * (len(keys) + 2) + "|"]
    for size in sorted({size for by in rows.values() for size in by}, key=order):
        for server, by in rows.items():
            if size in by:
                cells = ["" if by[size].get(key) is None else number(by[size][key] * QUANTITIES[key][1]) for key in keys]
                lines.append("| %s | %s | %s |" % (size, NAMES[server], " | ".join(cells)))
    return "\n".join(lines)


def number(value):
    return "%.0f" % value if abs(value) >= 100 else "%.1f" % value if abs(value) >= 10 else "%.2f" % value


def plot(path, name, rows):
    """The plots of one curve in one SVG, whose text stays text."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 8})
    from matplotlib import pyplot

    keys = [key for key in SHOWN[name] if any(row.get(key) for by in rows.values() for row in by.values())]
    wide = min(4, len(keys))
    high = -(-len(keys) // wide)
    figure, axes = pyplot.subplots(high, wide, figsize=(3 * wide, 2.3 * high), squeeze=False, layout="constrained")
    for axis, key in zip(axes.flat, keys):
        heading, factor = QUANTITIES[key]
        for server, by in rows.items():
            points = [(size, by[size][key] * factor) for size in sorted(by, key=order) if by[size].get(key) is not None]
            if points:
                color, style = STYLES[server]
                axis.plot([float(x) if order(x)[0] == 0 else x for x, _ in points], [y for _, y in points], style,
                          color=color, markersize=3, linewidth=1, label=NAMES[server])
        axis.set_title(heading, fontsize=8)
        axis.grid(True, linewidth=0.3)
        if all(order(size)[0] == 0 for by in rows.values() for size in by):
            axis.set_xscale("log")
        values = [y for drawn in axis.lines for y in drawn.get_ydata()]
        if min(values, default=0) * 8 > max(values, default=0):
            axis.set_ylim(bottom=0)  # hardly anything grows: a logarithm would make much of it
        else:
            axis.set_yscale("symlog", linthresh=0.1) if min(values, default=0) <= 0 else axis.set_yscale("log")
        axis.minorticks_off()
    for axis in list(axes.flat)[len(keys):]:
        axis.axis("off")
    axes.flat[0].legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def write(folder, found, conditions):
    """scale.md and the plots beside it."""
    parts = ["# What grows", "", "Made by `bench/scale.py --draw bench/results`; how, and what follows, says "
             "[benchmarks.md](../../docs/benchmarks.md). %s." % conditions, ""]
    for name in SHOWN:
        if name in found:
            picture = "scale-%s.svg" % name
            plot(folder / picture, name, found[name])
            parts += ["## %s" % name, "", ABOUT[name] + ".", "", "![%s](%s)" % (name, picture), ""]
            parts += [table(name, found[name]), ""]
    (folder / "scale.md").write_text("\n".join(parts))
