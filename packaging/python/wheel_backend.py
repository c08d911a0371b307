"""Builds the wheel `mod-wsgi-rs`: the programs of `make build`, and the package `mod_wsgi` that starts them.

One wheel serves every Python from 3.9 on. `MOD_WSGI_LIB` names a folder with programs that are built already.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = Path(__file__).resolve().parent / "mod_wsgi"
PROGRAMS = [
    "mod_wsgi.so",
    "mod_wsgi/wsgi-supervisor",
    "mod_wsgi/python-host.abi3.so",
    "mod_wsgi/mod_wsgi-ctl",
    "mod_wsgi/mod_wsgi-express",
]
DISTRIBUTION = "mod_wsgi_rs"


def version():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(r'^version = "(.+)"$', text, re.MULTILINE).group(1)


def metadata():
    lines = [
        "Metadata-Version: 2.1",
        "Name: mod-wsgi-rs",
        "Version: " + version(),
        "Summary: Apache httpd module that serves WSGI applications with any CPython",
        "License: Apache-2.0",
        "Requires-Python: >=3.9",
        "Description-Content-Type: text/markdown",
        "",
        (ROOT / "README.md").read_text(encoding="utf-8"),
    ]
    return "\n".join(lines)


def built_programs():
    """The folder with the programs; cargo builds them when nobody has."""
    given = os.environ.get("MOD_WSGI_LIB")
    if given:
        return Path(given)
    if shutil.which("cargo") is None:
        sys.exit("mod-wsgi-rs is built with cargo: install Rust from https://rustup.rs, or install a wheel")
    if shutil.which("apxs") is None:
        sys.exit("mod-wsgi-rs is built with httpd's headers: apt-get install apache2-dev, or dnf install httpd-devel")
    subprocess.run(["make", "build"], cwd=ROOT, check=True, stdout=sys.stderr)
    return ROOT / "build/lib"


def platform_tag(programs):
    """manylinux with the newest version of glibc that a program asks for."""
    needed = [(2, 17)]
    for data in programs.values():
        needed += [(2, int(minor)) for minor in re.findall(rb"GLIBC_2\.(\d+)\0", data)]
        needed += [(2, int(minor)) for minor in re.findall(rb"GLIBC_2\.(\d+)\.\d+\0", data)]
    machine = sysconfig.get_platform().replace("-", "_").replace("linux_", "")
    return "manylinux_%d_%d_%s" % (*max(needed), machine)


def stripped(path):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        if shutil.which("strip"):
            subprocess.run(["strip", "--strip-unneeded", str(copy)], check=True)
        return copy.read_bytes()


def shown_files():
    """The manual page and the completions, with their names below `share/` of the environment."""
    name = "mod_wsgi-express"
    folder = ROOT / "packaging"
    yield folder / "man" / (name + ".1"), "man/man1/%s.1" % name
    completions = folder / "completions"
    yield completions / (name + ".bash"), "bash-completion/completions/" + name
    yield completions / (name + ".fish"), "fish/vendor_completions.d/%s.fish" % name
    yield completions / ("_" + name), "zsh/site-functions/_" + name


class Wheel:
    """A wheel that is written file by file."""

    def __init__(self, path):
        self.archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self.record = []

    def add(self, name, data, mode=0o644):
        info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
        info.external_attr = (0o100000 | mode) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        self.archive.writestr(info, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append("%s,sha256=%s,%d" % (name, digest, len(data)))

    def close(self, folder):
        name = folder + "/RECORD"
        self.add(name, "\n".join([*self.record, name + ",,", ""]).encode())
        self.archive.close()


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    folder = built_programs()
    programs = {name: stripped(folder / name) for name in PROGRAMS}
    tag = "py3-none-" + platform_tag(programs)
    name = "%s-%s-%s.whl" % (DISTRIBUTION, version(), tag)
    wheel = Wheel(Path(wheel_directory) / name)
    for path in sorted(PACKAGE.rglob("*.py")):
        wheel.add("mod_wsgi/" + path.relative_to(PACKAGE).as_posix(), path.read_bytes())
    for program, data in programs.items():
        wheel.add("mod_wsgi/express/lib/" + program, data, 0o755)
    for path, shown in shown_files():
        wheel.add("%s-%s.data/data/share/%s" % (DISTRIBUTION, version(), shown), path.read_bytes())
    info = "%s-%s.dist-info" % (DISTRIBUTION, version())
    wheel.add(info + "/METADATA", metadata().encode())
    lines = ["Wheel-Version: 1.0", "Generator: mod-wsgi-rs", "Root-Is-Purelib: false", "Tag: " + tag, ""]
    wheel.add(info + "/WHEEL", "\n".join(lines).encode())
    wheel.add(info + "/entry_points.txt", b"[console_scripts]\nmod_wsgi-express = mod_wsgi.express.cli:main\n")
    wheel.close(info)
    return name


def build_sdist(sdist_directory, config_settings=None):
    """The files that git knows."""
    base = "%s-%s" % (DISTRIBUTION, version())
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    path = Path(sdist_directory) / (base + ".tar.gz")
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in filter(None, listed.decode().split("\0")):
            archive.add(ROOT / name, base + "/" + name)
        with tempfile.NamedTemporaryFile("w", suffix="PKG-INFO", encoding="utf-8") as file:
            file.write(metadata())
            file.flush()
            archive.add(file.name, base + "/PKG-INFO")
    return path.name
