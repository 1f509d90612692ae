"""A folder laid out as a router, with the shipped files in it, run by busybox ash as there."""

import json
import os
import re
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = os.path.join(HERE, "..", "files")
ASH = ["busybox", "ash"]

# Absolute paths that the scripts name, and that must lead into the folder.
INSIDE = re.compile(r"(?<![\w$])/(etc|sbin|tmp|var/run|usr/share|usr/sbin)/")


class Router:
    def __init__(self, reachd):
        self.root = tempfile.mkdtemp(prefix="reachd-router-")
        self.calls = self.path("calls")
        self.config_file = self.path("etc/config/reachd")
        for folder in ("etc/config", "etc/init.d", "tmp", "var/run", "sbin", "usr/sbin", "bin"):
            os.makedirs(self.path(folder), exist_ok=True)
        self.write("usr/sbin/reachd",
                   f'#!/bin/sh\n[ "$1" != report ] || set -- "$@" --root {self.root}\n'
                   f'exec {os.path.abspath(reachd)} -c {self.config_file} "$@"\n', 0o755)
        self.write("etc/passwd", "root:x:0:0::/:/bin/ash\n")
        self.write("etc/group", "root:x:0:\n")
        open(self.calls, "w").close()
        self.plugin = self.script("usr/libexec/rpcd/reachd")

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def script(self, name):
        """A shipped script with its paths led into the folder."""
        with open(os.path.join(FILES, name), encoding="utf-8") as file:
            text = file.read()
        text = INSIDE.sub(lambda match: self.root + match[0], text)
        return self.write("scripts/" + name, text, 0o755)

    def environment(self, **more):
        path = os.path.join(HERE, "bin") + ":" + self.path("bin") + ":" + os.environ["PATH"]
        return {**os.environ, "PATH": path, "CALLS": self.calls, "UCI_FILE": self.config_file,
                "LC_ALL": "C.UTF-8", **more}

    def called(self):
        """What was called since the last time this was asked."""
        with open(self.calls, encoding="utf-8") as file:
            lines = file.read().splitlines()
        open(self.calls, "w").close()
        return lines

    def rpcd(self, method, arguments=None, running=True, inside=()):
        """`ubus call reachd METHOD`, as rpcd runs the plugin."""
        environment = self.environment(RUNNING="1" if running else "")
        run = subprocess.run(
            [*inside, *ASH, self.plugin, "call", method],
            input=json.dumps(arguments or {}), capture_output=True, text=True, check=False,
            env=environment, timeout=60)
        return json.loads(run.stdout)

    def methods(self):
        run = subprocess.run(ASH + [self.plugin, "list"],
                             capture_output=True, text=True, check=True,
                             env=self.environment(), timeout=60)
        return json.loads(run.stdout)
