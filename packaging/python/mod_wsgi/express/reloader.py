"""Files that `--reload-on-changes` shall look at although no module was imported from them."""

import os


def track_changes(path):
    """Replaces the processes when this file changes."""
    folder = os.environ.get("MOD_WSGI_EXPRESS_STATE")
    if folder:
        with open(os.path.join(folder, "loaded-%d" % os.getpid()), "a", encoding="utf-8") as file:
            file.write("\n" + os.path.abspath(path))
