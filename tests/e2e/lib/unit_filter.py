#!/usr/bin/env python3
"""Becomes a program that may make the system calls which a unit's SystemCallFilter= allows, and no others.

unit_filter.py UNIT SYSTEMD-ANALYZE PROGRAM ARGUMENT...    the sets are expanded by systemd-analyze
"""
import ctypes
import errno
import os
import re
import subprocess
import sys

ALLOW = 0x7FFF0000


def members(analyze, name):
    """The system calls of a set, those of the sets in it too, or the one call that it is."""
    if not name.startswith("@"):
        return {name}
    listing = subprocess.run([analyze, "syscall-filter", name], capture_output=True, text=True,
                             check=True).stdout
    names = [line.strip() for line in listing.splitlines()[1:]]
    found = set()
    for member in names:
        if member and not member.startswith("#"):
            found |= members(analyze, member)
    return found


def allowed_calls(unit, analyze):
    allowed = members(analyze, "@default")  # systemd's own: execve, exit …
    for is_refused, names in re.findall(r"^SystemCallFilter=(~?)(.+)$", open(unit).read(), re.M):
        for name in names.split():
            calls = members(analyze, name)
            allowed = allowed - calls if is_refused else allowed | calls
    return allowed


def confine(names):
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    filter_ = ctypes.c_void_p(seccomp.seccomp_init(0x00050000 | errno.EPERM))
    for name in names:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others are of other machines
            seccomp.seccomp_rule_add_array(filter_, ALLOW, number, 0, None)
    if seccomp.seccomp_load(filter_) != 0:
        sys.exit("the filter cannot be loaded")


unit, analyze, *program = sys.argv[1:]
confine(allowed_calls(unit, analyze))
os.execvp(program[0], program)
