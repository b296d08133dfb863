#!/usr/bin/env python3
"""Shows that a worker, once it serves, calls nothing that blocks, but for what tools/blocking.txt lists.

Every C file of the server is compiled to assembly, without optimisation: there each call and each
address that is taken stands under its function's name. Followed are

    calls       from the worker's loop (LOOP) on
    addresses   of functions that anything reached takes or holds in a table: it may be called from there
    callbacks   whose address any code of the program takes, before the fork too: the loop may call it
                through a pointer that it was given. Only those of files that no worker runs (ELSEWHERE)
                are left out

What is called then and is not ours has to be in blocking.txt, the calls that could block in each of
their functions. A line there that nothing needs any more is a finding, too.

Usage: check_blocking.py BUILD_DIRECTORY [--list]. The directory is one that meson has set up: its
compile_commands.json and build.ninja are read, and what it generates has to be there. --list prints
what is called, and from where. Prints one line per finding; exit status 1 if there is any.
"""
import collections
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = "tools/blocking.txt"
SERVER = "server/sluice"
# An object of no C file: the pages that browsers get.
IGNORED = {"web_assets_data"}

START = ("server/main.c", "main")
LOOP = ("server/worker.c", "run")

# No function of theirs is called by a worker through a pointer.
ELSEWHERE = {
    "server/master.c": "the master's loop; release_in_child is over before a worker begins",
    "server/writer.c": "the writer's loop",
    "server/config_file.c": "called while the configuration is read",
    "server/config_machine.c": "likewise",
}

# Of the compile command: what would hide calls, or add others.
DROPPED = re.compile(r"-O|-g|-W|-M[DP]$|-fsanitize|-fno-sanitize|-fprofile|-ftest-coverage|-flto|"
                     r"--coverage|-fstack-protector|-D_FORTIFY_SOURCE|-D_GLIBCXX")
DROPPED_WITH_NEXT = ("-MF", "-MQ", "-MT", "-o", "-c")
ADDED = ["-O0", "-w", "-fno-jump-tables", "-fno-asynchronous-unwind-tables", "-S", "-o", "-"]

IS_FUNCTION = re.compile(r"^\s*\.type\s+([\w.$]+),\s*[@%]function", re.M)
IS_GLOBAL = re.compile(r"^\s*\.globa?l\s+([\w.$]+)", re.M)
IS_ZERO = re.compile(r"^\s*\.(?:local|comm|lcomm)\s+([\w.$]+)", re.M)
ALIAS = re.compile(r"^\s*\.set\s+([\w.$]+),\s*([\w.$]+)")
SECTION = re.compile(r"\s*\.(?:section\s+\.?)?(\w+)")
LABEL = re.compile(r"([\w.$]+):")
HOLDS = re.compile(r"\s*\.(?:quad|long|xword|word|8byte|4byte)\s+(.*)")
BRANCH = re.compile(r"\s+(?:call|jmp|bl|b)q?\s+([A-Za-z_][\w.$]*)(?:@PLT)?$")
INSTRUCTION = re.compile(r"\s*(?:(?:rep\w*|lock|notrack)\s+)*[\w.]*\s*(.*)")
OPERAND = re.compile(r"(?<![\w.$%@#])([A-Za-z_.][\w.$]*)(?=[-+@(,)\]]|$)")


class Node:
    """A function or an object, and what it names."""

    def __init__(self, is_code):
        self.is_code = is_code
        self.calls = set()
        self.addresses = set()


class Program:
    """All of them. A key is (file, name); what is not ours has no file."""

    def __init__(self):
        self.nodes = {}
        self.globals = {}

    def find(self, path, name):
        return (path, name) if (path, name) in self.nodes else self.globals.get(name, ("", name))

    def named_by(self, key):
        """(key, whether only its address is taken) of all that this one names."""
        node = self.nodes.get(key)
        if node is None:
            return
        for names, is_address in ((node.calls, False), (node.addresses, True)):
            for name in sorted(names):
                yield self.find(key[0], name), is_address

    def add(self, path, assembly):
        functions = set(IS_FUNCTION.findall(assembly))
        global_names = set(IS_GLOBAL.findall(assembly))
        for name in IS_ZERO.findall(assembly):
            self.make(path, name, False, global_names)
        node, is_code = None, True
        for line in assembly.splitlines():
            line = line.rstrip()
            if match := LABEL.match(line):
                # A label within a function is a place that it jumps to.
                if match.group(1) in functions or not is_code:
                    node = self.make(path, match.group(1), is_code, global_names)
            elif match := ALIAS.match(line):
                self.make(path, match.group(1), True, global_names).calls.add(match.group(2))
            elif re.match(r"\s*\.(section|text|data|bss)\b", line):
                is_code = SECTION.match(line).group(1) == "text"
            elif node is not None:
                read_line(node, line)

    def make(self, path, name, is_code, global_names):
        node = self.nodes.setdefault((path, name), Node(is_code))
        if name in global_names:
            self.globals[name] = (path, name)
        return node


def read_line(node, line):
    """One instruction, or one word of an object."""
    if match := HOLDS.match(line):
        words = match.group(1)
    elif re.match(r"\s*\.", line):
        return
    elif match := BRANCH.match(line):
        node.calls.add(match.group(1))
        return
    else:
        words = INSTRUCTION.match(line).group(1)
    node.addresses.update(OPERAND.findall(words))


def compile_one(entry):
    command, skip = [], False
    for word in shlex.split(entry["command"]):
        if skip:
            skip = False
        elif word in DROPPED_WITH_NEXT:
            skip = word != "-c"
        elif not DROPPED.match(word) and word != entry["file"]:
            command.append(word)
    command += [*ADDED, entry["file"]]
    result = subprocess.run(command, cwd=entry["directory"], check=False, text=True,
                            stdout=subprocess.PIPE)
    if result.returncode != 0:
        sys.exit(f"{entry['file']} cannot be compiled")
    return result.stdout


def is_linked(build):
    """Tells of an object whether it is the server's: others are built of the same files."""
    rules = (build / "build.ninja").read_text(encoding="utf-8").replace("$\n", "")
    words = re.search(rf"^build {SERVER}: (.*)$", rules, re.M).group(1).split()
    libraries = tuple(word + ".p/" for word in words if word.endswith(".a"))
    return lambda output: output in words or output.startswith(libraries)


def read_program(build):
    entries = {}
    is_of_server = is_linked(build)
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), ROOT)
        if is_of_server(entry["output"]) and path.endswith(".c"):
            entries[entry["output"] if path.startswith("..") else path] = entry
    program = Program()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, assembly in zip(entries, pool.map(compile_one, entries.values())):
            program.add(path, assembly)
    return program


def reach(program, roots):
    """key → the key that leads there, None for a root."""
    via = {root: None for root in roots}
    queue = collections.deque(roots)
    while queue:
        key = queue.popleft()
        for found, _ in program.named_by(key):
            if found not in via:
                via[found] = key
                queue.append(found)
    return via


def callbacks(program):
    taken = {}
    for key in reach(program, [START]):
        for found, is_address in program.named_by(key):
            node = program.nodes.get(found)
            if is_address and node and node.is_code and found[0] not in ELSEWHERE:
                taken[found] = key
    return taken


def said(key):
    return f"{key[0]}:{key[1]}" if key[0] else key[1]


def chain(via, taken, key):
    """How the loop gets there, the nearest first."""
    links = [said(key)]
    while via[key] is not None:
        key = via[key]
        links.append(said(key))
    if key in taken:
        links.append(f"callback of {said(taken[key])}")
    return " <- ".join(links)


def read_allowed(path):
    """call → (line, places), and what is wrong with the file; no places: wherever it is called."""
    allowed, rows, section = {}, [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line
        elif section == "[never]":
            allowed.update((name, (number, None)) for name in line.split())
        elif line[0].isspace() and rows:
            rows[-1][1] += line  # more of the row
        else:
            rows.append([number, line])
    findings = []
    for number, row in rows:
        call, *rest = (part.strip() for part in row.split("|"))
        if call in allowed or len(rest) != 2 or not all(rest):
            findings.append((number, f"{call}: listed twice, or not `call | places | reason`"))
        allowed[call] = (number, set(rest[0].split()) if rest else set())
    return allowed, findings


def external_calls(program, via):
    """call → keys of those that make it."""
    made = collections.defaultdict(list)
    for key in via:
        for (path, name), _ in program.named_by(key):
            # `.L4` is a place in the function itself, unless it is an object without a name.
            if path == "" and not name.startswith(".") and name not in IGNORED:
                made[name].append(key)
    return made


def find_allowed(name, allowed):
    """(line, places) of a call: its own, or that of a pattern, unless `-` stands before one that fits."""
    if name in allowed:
        return allowed[name]
    patterns = [pattern for pattern in allowed if "*" in pattern]
    if any(pattern[0] == "-" and fnmatch.fnmatchcase(name, pattern[1:]) for pattern in patterns):
        return 1, set()
    fitting = (allowed[pattern] for pattern in patterns if fnmatch.fnmatchcase(name, pattern))
    return next(fitting, (1, set()))


def compare(made, allowed, via, taken):
    """(line of the list, what is wrong)."""
    for name, keys in sorted(made.items()):
        line, places = find_allowed(name, allowed)
        if places is None:
            continue
        for key in sorted(keys):
            if said(key) not in places:
                yield line, f"{name} may block here: {chain(via, taken, key)}"
        for place in sorted(places - {said(key) for key in keys}):
            yield line, f"{name} is not called by {place} any more"
    for name, (line, _) in allowed.items():
        if name not in made and "*" not in name and name[0] != "-":
            yield line, f"{name} is not called by a worker any more"


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if len(words) != 1:
        sys.exit("usage: check_blocking.py BUILD_DIRECTORY [--list]")
    program = read_program(pathlib.Path(words[0]).resolve())
    missing = [said(key) for key in (START, LOOP) if key not in program.nodes]
    if missing:
        sys.exit(f"not in this build: {', '.join(missing)}")
    taken = callbacks(program)
    via = reach(program, [LOOP, *sorted(taken)])
    made = external_calls(program, via)
    if "--list" in sys.argv:
        for name, keys in sorted(made.items()):
            print(f"{name} | {' '.join(sorted(said(key) for key in keys))}")
    allowed, findings = read_allowed(ROOT / ALLOWED)
    findings += compare(made, allowed, via, taken)
    for line, problem in sorted(findings):
        print(f"{ALLOWED}:{line}: {problem}")
    count = sum(key in program.nodes and program.nodes[key].is_code for key in via)
    print(f"blocking: {count} functions of a worker, {len(made)} calls of others', "
          f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
