#!/usr/bin/env python3
"""Makes a manual page, or the sample configuration, of a text and the tables of the code.

    make.py page VERSION TEMPLATE PART...   mdoc, on standard output
    make.py sample TABLE                    sluice.conf, likewise

A part that ends with .tsv is a table: what `sluice-tables` (server/tables.c) and `sluice-bench
--table` print. Any other is mdoc that a program prints of itself (`sluicectl --manual`). In a
template a line `@NAME@` stands for what is made here of tables (PAGES below), the n-th `@PART@` for
the n-th part that is none. `@VERSION@` is replaced wherever it stands.
"""
import collections
import re
import sys
import textwrap

WIDTH = 79

Option = collections.namedtuple(
    "Option", "section title letter name kind argument default least greatest help details")
Event = collections.namedtuple("Event", "name fields what")
Field = collections.namedtuple("Field", "name what")
Metric = collections.namedtuple("Metric", "name kind worker labels help")
BenchOption = collections.namedtuple("BenchOption", "title name argument help")
ROWS = {"option": Option, "event": Event, "field": Field, "metric": Metric, "bench": BenchOption}


def read_tables(*paths):
    tables = {kind: [] for kind in ROWS}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                kind, *columns = line.rstrip("\n").split("\t")
                tables[kind].append(ROWS[kind](*columns))
    return tables


# --- what an option is, in words ------------------------------------------------------------------

def capitalised(text):
    return text[:1].upper() + text[1:]


def bounds_words(option):
    """From where to where a number may be, without a full stop; nothing where that says nothing."""
    greatest = "" if option.greatest == str(2**32 - 1) else option.greatest
    if option.least == "0":
        return f"up to {greatest}, or off" if greatest else ""
    if greatest:
        return f"from {option.least} to {greatest}"
    return f"at least {option.least}" if option.least else ""


def sentences(option):
    """Help, details and bounds, each as sentences."""
    yield capitalised(option.help) + "."
    if option.details:
        yield option.details
    if bounds_words(option):
        yield capitalised(bounds_words(option)) + "."


def choices(option):
    return ["on", "off"] if option.kind == "switch" else option.argument.split("|")


def key_of(option):
    return option.name.replace("-", "_")


# --- mdoc --------------------------------------------------------------------------------------------

def split_sentences(text):
    return re.split(r"(?<=[A-Za-z0-9)]\.) +(?=[^ ])", text)


def mdoc_text(text):
    """One sentence a line, options in bold, and nothing that begins a request."""
    text = text.replace("\\", "\\e")
    text = re.sub(r"(?<![\w-])--([a-z][a-z-]*)",
                  lambda match: "\\fB\\-\\-" + match.group(1).replace("-", "\\-") + "\\fP", text)
    lines = split_sentences(text)
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in lines)


def mdoc_sections(options, item):
    """A subsection for each section of the table."""
    out, last = [], None
    for option in options:
        if option.title != last:
            out += [".El"] if last else []
            out += [f".Ss {option.title}", ".Bl -tag -width Ds"]
            last = option.title
        out += item(option)
    return out + [".El"]


def item_body(option):
    out = [mdoc_text(sentence) for sentence in sentences(option)]
    if option.default:
        out += ["The default is", f".Cm {option.default} ."]
    return out


def option_item(option):
    letter = f"Fl {option.letter} , " if option.letter else ""
    if option.kind == "switch":
        argument = " Oo Cm on | off Oc"
    elif option.kind == "choice":
        argument = " Cm " + " | ".join(choices(option))
    else:
        argument = f" Ar {option.argument}"
    return [f".It {letter}Fl -{option.name}{argument}"] + item_body(option)


def as_keys(text):
    """Options as they stand in the file."""
    return re.sub(r"(?<![\w-])--([a-z][a-z-]*)",
                  lambda match: match.group(1).replace("-", "_"), text)


def key_item(option):
    option = option._replace(help=as_keys(option.help), details=as_keys(option.details))
    if option.kind in ("switch", "choice"):
        argument = "Cm " + " | ".join(choices(option))
    else:
        argument = f"Ar {option.argument}"
    return [f".It Cm {key_of(option)} No = {argument}"] + item_body(option)


def bench_item(option):
    argument = f" Ar {option.argument}" if option.argument else ""
    return [f".It Fl -{option.name}{argument}", mdoc_text(capitalised(option.help) + ".")]


def make_events(tables):
    out = [".Bl -tag -width Ds"]
    for event in tables["event"]:
        out += [f".It Cm {event.name}", mdoc_text(capitalised(event.what) + ".")]
        if event.fields:
            out += ["Fields: " + ", ".join(event.fields.split()) + "."]
    return out + [".El"]


def make_fields(tables):
    out = [".Bl -tag -width remaining_seconds -compact"]
    for field in tables["field"]:
        out += [f".It Cm {field.name}", mdoc_text(field.what)]
    return out + [".El"]


def make_metrics(tables):
    out = [".Bl -tag -width Ds -compact"]
    for metric in tables["metric"]:
        labels = f", by {metric.labels}" if metric.labels else ""
        worker = "; of each worker, too" if metric.worker else ""
        out += [f".It Cm sluice_{metric.name} Pq {metric.kind}{labels}{worker}",
                mdoc_text(metric.help + ".")]
    return out + [".El"]


PAGES = {
    "OPTIONS": lambda tables: mdoc_sections(tables["option"], option_item),
    "KEYS": lambda tables: mdoc_sections(tables["option"], key_item),
    "EVENTS": make_events,
    "FIELDS": make_fields,
    "METRICS": make_metrics,
    "BENCH": lambda tables: mdoc_sections(tables["bench"], bench_item),
}


def print_part(lines):
    for line in lines:
        print(line if line.startswith(".") else "\n".join(split_sentences(line)))


def make_page(version, template, *paths):
    tables = read_tables(*[path for path in paths if path.endswith(".tsv")])
    parts = [path for path in paths if not path.endswith(".tsv")]
    with open(template, encoding="utf-8") as file:
        for line in file.read().replace("@VERSION@", version).splitlines():
            name = line.strip("@") if re.fullmatch(r"@[A-Z]+@", line) else None
            if name == "PART":
                with open(parts.pop(0), encoding="utf-8") as part:
                    print_part(part.read().splitlines())
            elif name:
                print("\n".join(PAGES[name](tables)))
            else:
                print(line)
    if parts:
        sys.exit(f"{template}: no @PART@ for {parts[0]}")


# --- the sample configuration ----------------------------------------------------------------------------

SAMPLE_HEAD = """\
sluice.conf: the configuration of sluice(8), explained in sluice.conf(5).

Each option is shown, commented out, with its default (#name = value); one that has none shows what
it takes (# name = WHAT). Sizes take K, M, G and T; times ms, s, m, h and d. A list is separated by
commas, or its option is repeated; a line has at most 197 bytes. What stands on the command line wins
over the environment (SLUICE_NAME), and that over this file.

To check it: sluice --config FILE --check-config"""


def print_comment(text):
    for line in textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False, break_long_words=False):
        print("# " + line)


def make_sample(table):
    section = None
    for paragraph in SAMPLE_HEAD.split("\n\n"):
        print_comment(paragraph)
        print("#")
    for option in read_tables(table)["option"]:
        if option.section != section:
            section = option.section
            print(f"\n[{section}]")
        print()
        words = as_keys(" ".join(sentences(option)))
        if option.kind in ("switch", "choice"):
            *first, last = choices(option)
            words += " " + capitalised(", ".join(first)) + f" or {last}."
        print_comment(words)
        if option.default:
            print(f"#{key_of(option)} = {option.default}")
        else:
            print(f"# {key_of(option)} = {option.argument}")


if __name__ == "__main__":
    {"page": make_page, "sample": make_sample}[sys.argv[1]](*sys.argv[2:])
