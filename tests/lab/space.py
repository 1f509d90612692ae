"""Network namespaces as threads. Each space is one thread of ours with a network and a mount
namespace of its own; what it calls, opens and starts lives there. The spaces have no names, so
nothing can stay behind: they end with us and with what was started in them, and that dies with
us too (setpriv --pdeathsig). To look into one while it runs: nsenter -n -m -t TID."""

import ctypes
import os
import queue
import signal
import subprocess
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000


def check(result):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Space:
    def __init__(self, name):
        self.name = name
        self.queue = queue.Queue()
        self.tid = None
        self.started = []
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()
        self(self._enter)

    def _run(self):
        while True:
            job = self.queue.get()
            if job is None:
                return
            function, answer = job
            try:
                answer.put((function(), None))
            except BaseException as error:  # handed to the caller, whatever it is
                answer.put((None, error))
            # Nothing of a finished job may live on here.
            del job, function, answer

    def _enter(self):
        check(LIBC.unshare(NEWNET | NEWNS))
        check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
        self.tid = threading.get_native_id()

    def __call__(self, function, *args, **keys):
        """Calls it inside."""
        answer = queue.Queue()
        self.queue.put((lambda: function(*args, **keys), answer))
        result, error = answer.get()
        if error is not None:
            raise error
        return result

    def run(self, argv, text="", check=True):
        """Runs a command inside to its end; its output."""
        done = self(subprocess.run, argv, input=text, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(argv)} in {self.name}: {done.stderr.strip()} {text}")
        return done.stdout

    def ip(self, *lines):
        """Lines for ip(8), as one batch."""
        self.run(["ip", "-batch", "-"], "\n".join(lines) + "\n")

    def sysctl(self, **values):
        """net/… settings; `__` stands for the slash."""
        def write():
            for key, value in values.items():
                with open("/proc/sys/net/" + key.replace("__", "/"), "w") as file:
                    file.write(str(value))
        self(write)

    def start(self, argv, wrap=(), **keys):
        """Starts a process that is killed when we end, however we end."""
        tied = ["setpriv", "--pdeathsig", "KILL", "--"]
        argv = [*tied, *wrap, *(tied if wrap else []), *argv]
        process = self(subprocess.Popen, argv, stdin=subprocess.DEVNULL, **keys)
        self.started.append(process)
        return process

    def bind_mount(self, source, target):
        target = os.path.realpath(target)
        self(lambda: check(LIBC.mount(source.encode(), target.encode(), None, MS_BIND, None)))

    def tmpfs(self, path, options, read_only=False):
        os.makedirs(path, exist_ok=True)
        arguments = (b"none", path.encode(), b"tmpfs", int(read_only), options.encode())
        self(lambda: check(LIBC.mount(*arguments)))

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        self.queue.put(None)
