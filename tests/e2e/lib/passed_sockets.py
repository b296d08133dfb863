#!/usr/bin/env python3
"""Opens sockets as systemd would and becomes the program that they are for.

passed_sockets.py [--keep] NAME=KIND:ADDRESS... -- PROGRAM ARGUMENT...

    KIND    tcp:PORT  unix:PATH  udp:PORT  silent:PORT (TCP that does not listen)  file:PATH
    --keep  stays, and starts the program again each time that it has ended with 0, until SIGTERM: the
            program is then asked to end, too, and its status is ours.
"""
import os
import signal
import socket
import sys

FIRST = 3


def open_socket(kind, address):
    if kind == "file":
        return os.open(address, os.O_RDWR)
    is_unix = kind == "unix"
    made = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET,
                         socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    if not is_unix:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(address if is_unix else ("127.0.0.1", int(address)))
    if kind in ("tcp", "unix"):
        made.listen(1024)
    return made.detach()


def become(program, fds, names):
    high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
    for i, fd in enumerate(high):
        os.dup2(fd, FIRST + i)
        os.close(fd)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)),
                      LISTEN_FDNAMES=":".join(names))
    os.execvp(program[0], program)


def keep(program, fds, names):
    ending = []
    child = 0

    def on_term(*_):
        ending.append(True)
        if child:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, on_term)
    while True:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            become(program, fds, names)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ending or status != 0:
            sys.exit(status if status >= 0 else 128 - status)


def main():
    arguments = sys.argv[1:]
    is_keeping = arguments[0] == "--keep"
    end = arguments.index("--")
    specs = [spec.partition("=") for spec in arguments[is_keeping:end]]
    fds = [open_socket(*place.split(":", 1)) for _, _, place in specs]
    (keep if is_keeping else become)(arguments[end + 1:], fds, [name for name, _, _ in specs])


main()
