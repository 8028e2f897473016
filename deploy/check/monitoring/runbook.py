"""The runbook: a section for each alert, and commands that exist."""

import re
import shlex
import subprocess

# What each section of an alert says, in this order.
PARTS = ("What it means", "Is it true?", "Why, and what to type", "It is over when")
_SECTION = re.compile(r"^## (.+)$", re.M)
_BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.M | re.S)
_INLINE = re.compile(r"`((?:time )?tusou [^`]+)`")


def sections(text):
    """Each second-level heading with what stands below it."""
    parts = _SECTION.split(text)
    return dict(zip(parts[1::2], parts[2::2]))


def complaints(text, alerts):
    """Alerts without a section, sections without an alert, and what a section lacks."""
    found = []
    present = sections(text)
    found += ["runbook: no section for the alert %s" % name for name in alerts if name not in present]
    for name, body in present.items():
        if not name.startswith("Tusou"):
            continue
        if name not in alerts:
            found.append("runbook: the section %s is of no alert" % name)
        places = [body.find("**%s**" % part) for part in PARTS]
        if -1 in places:
            found.append("runbook: %s does not say: %s" % (name, PARTS[places.index(-1)]))
        elif places != sorted(places):
            found.append("runbook: the parts of %s are not in order" % name)
        elif not (_BLOCK.search(body) or _INLINE.search(body)):
            found.append("runbook: %s says nothing to type" % name)
    anchors = {name.lower() for name in present}
    found += [
        "runbook: a link leads to #%s, which is no section" % anchor
        for anchor in sorted(set(re.findall(r"\]\(#([a-z]+)\)", text)) - anchors)
    ]
    return found


def commands(text):
    """Every call of `tusou` in code, as its words."""
    lines = [line.split(" #")[0].strip() for block in _BLOCK.findall(text) for line in block.splitlines()]
    lines += _INLINE.findall(text)
    found = []
    for line in lines:
        words = []
        for word in shlex.split(line) + ["|"]:
            if word not in ("|", "&&", ";"):
                words.append(word)
                continue
            words = words[1:] if words[:1] == ["time"] else words
            if words[:1] == ["tusou"] and words not in found:
                found.append(words)
            words = []
    return found


def command_complaints(text, program):
    """Calls whose subcommand or options the program's own help does not know."""
    helps, found = {}, []
    for words in commands(text):
        path, options, position = [], [], 1
        while position < len(words) and re.fullmatch(r"[a-z][a-z-]*", words[position]):
            if words[position] not in _subcommands(_help(helps, program, path)):
                break
            path.append(words[position])
            position += 1
        if not path:
            found.append("runbook: `%s`: there is no such command" % " ".join(words))
            continue
        help_text = _help(helps, program, path)
        options = [word.split("=")[0] for word in words[position:] if word.startswith("-")]
        for option in options:
            if not re.search(r"(?<![\w-])%s(?![\w-])" % re.escape(option), help_text):
                found.append("runbook: `%s`: `tusou %s` has no %s" % (" ".join(words), " ".join(path), option))
        given = [word for word in words[position:] if not word.startswith("-")]
        usage = re.search(r"^Usage:(.*?)(?:\n\n|\Z)", help_text, re.M | re.S)
        usage = usage.group(1) if usage else ""
        takes = set(re.findall(r"[<\[]([A-Z][A-Z-]*)", usage)) - {"OPTIONS", "COMMAND"}
        if given and not options and not takes and "<--" not in usage:
            found.append("runbook: `%s`: `tusou %s` takes no %s" % (" ".join(words), " ".join(path), given[0]))
        elif "<COMMAND>" in usage and not given and not takes:
            found.append("runbook: `%s` lacks a command" % " ".join(words))
    return found


def _help(helps, program, path):
    key = " ".join(path)
    if key not in helps:
        done = subprocess.run([program] + path + ["--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        helps[key] = done.stdout.decode() if done.returncode == 0 else ""
    return helps[key]


def _subcommands(help_text):
    block = re.search(r"^Commands:\n((?:  .*\n)+)", help_text, re.M)
    return set(re.findall(r"^  ([a-z][a-z-]*)", block.group(1), re.M)) if block else set()
