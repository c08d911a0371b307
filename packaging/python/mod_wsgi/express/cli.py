"""Starts the program `mod_wsgi-express` for the Python that this runs in."""

import os
import sys

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", "mod_wsgi", "mod_wsgi-express")


def environment():
    """That of the program: it serves with the Python that started it."""
    return dict(os.environ, MOD_WSGI_EXPRESS_PYTHON=sys.executable)


def run(arguments):
    """Becomes the program; comes back only by an exception."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(PROGRAM, ["mod_wsgi-express", *arguments], environment())


def start(*arguments):
    """The same as the command `start-server`."""
    run(["start-server", *arguments])


def main():
    """The console script."""
    run(sys.argv[1:])


if __name__ == "__main__":
    main()
