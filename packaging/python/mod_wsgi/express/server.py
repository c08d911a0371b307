"""Setting a server up from a Python program."""

import subprocess

from .cli import PROGRAM, environment


class ConfigurationError(Exception):
    """What the command line said about the options."""


def rows():
    """The options: name, whether it may be repeated, help, names of its values."""
    listed = subprocess.run([PROGRAM, "x-options"], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        name, repeats, text, *values = line.split("\t")
        yield name, repeats == "list", text, values


def arguments_of(options):
    """Options by the names that argparse gives them, as words of a command line."""
    words = []
    for name, repeats, _, values in rows():
        value = options.get(name.replace("-", "_"))
        if value is None or value is False or value == []:
            continue
        if not values:
            words.append("--" + name)
            continue
        uses = value if repeats else [value]
        for use in uses:
            words += ["--" + name, *map(str, use if len(values) > 1 else [use])]
    return words


def setup_server(command, args, options):
    """Writes the files of a server; `command` is kept for those who called it so."""
    words = [PROGRAM, "setup-server", *map(str, args), *arguments_of(options)]
    ended = subprocess.run(words, capture_output=True, text=True, env=environment())
    if ended.returncode != 0:
        raise ConfigurationError(ended.stderr.strip())
    return dict(options)
