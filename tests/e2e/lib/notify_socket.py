#!/usr/bin/env python3
"""A service manager's notify socket: one line of JSON per datagram, [pid of the sender, text].

notify_socket.py NAME    a path, or @name in the abstract namespace. The first line is "ready".
"""
import json
import socket
import struct
import sys

name = sys.argv[1]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
manager.bind("\0" + name[1:] if name.startswith("@") else name)
print('"ready"', flush=True)
while True:
    text, ancillary, _, _ = manager.recvmsg(65536, socket.CMSG_SPACE(struct.calcsize("3i")))
    pid = next((struct.unpack("3i", data)[0] for _, kind, data in ancillary
                if kind == socket.SCM_CREDENTIALS), 0)
    print(json.dumps([pid, text.decode()]), flush=True)
