"""Reads which metrics and labels a query of Prometheus names. Whether the query is one, Prometheus itself says."""

import re

# What is no metric though it looks like one: operators, and words that stand before a list of labels.
_WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "offset", "bool", "inf", "nan"}
_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<span>\[[^]]*\])
      | (?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+|(?:ms|[smhdwy]))?(?![\w:]))
      | (?P<name>[A-Za-z_:][\w:]*)
      | (?P<operator>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){},])""",
    re.X,
)


class Selector:
    """A metric of a query, with its matchers: (label, operator, value)."""

    def __init__(self, name):
        self.name = name
        self.matchers = []


class Query:
    """What a query names: its selectors, the labels of its lists, and the labels that it makes itself."""

    def __init__(self, text):
        self.selectors = []
        self.listed = set()
        self.made = set()
        self._read(_tokens(text))

    def _read(self, tokens):
        position = 0
        while position < len(tokens):
            kind, word = tokens[position]
            following = tokens[position + 1][1] if position + 1 < len(tokens) else ""
            if kind != "name":
                position += 1
            elif word.lower() in _LISTS:
                position = self._list(tokens, position + 1)
            elif word.lower() in _WORDS:
                position += 1
            elif following == "(":
                if word == "label_replace":
                    self._made(tokens, position)
                position += 1
            elif following in _LISTS:
                position += 1  # `sum by (…)`
            else:
                position = self._selector(tokens, position)

    def _list(self, tokens, position):
        if position >= len(tokens) or tokens[position][1] != "(":
            return position  # `group_left` needs none
        while tokens[position][1] != ")":
            if tokens[position][0] == "name":
                self.listed.add(tokens[position][1])
            position += 1
        return position + 1

    def _made(self, tokens, position):
        # Of label_replace(vector, label, replacement, source, regex) the first string is the new label.
        strings, depth = [], 0
        for kind, word in tokens[position + 1 :]:
            depth += {"(": 1, ")": -1}.get(word, 0) if kind == "operator" else 0
            if kind == "string" and depth == 1:
                strings.append(word[1:-1])
            if depth == 0:
                break
        self.made.add(strings[0])

    def _selector(self, tokens, position):
        selector = Selector(tokens[position][1])
        self.selectors.append(selector)
        position += 1
        if position >= len(tokens) or tokens[position][1] != "{":
            return position
        position += 1
        while tokens[position][1] != "}":
            if tokens[position][0] == "name":
                label, operator, value = (tokens[position + offset][1] for offset in range(3))
                selector.matchers.append((label, operator, value[1:-1]))
                position += 3
            else:
                position += 1
        return position + 1


def alternatives(operator, value):
    """The plain words that a matcher names: of a regular expression those that are no pattern."""
    if operator in ("=", "!="):
        return [value] if value else []
    plain = value.replace("[.]", ".")
    outer = re.fullmatch(r"(.*)\(([^()]*)\)(.*)", plain)
    words = (
        [outer.group(1) + word + outer.group(3) for word in outer.group(2).split("|")] if outer else plain.split("|")
    )
    return [word for word in words if word and not re.search(r"[*+?^$\\()\[\]{}|]|\.\.|^\.", word)]


def _tokens(text):
    found, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise ValueError("cannot be read at %r" % text[position : position + 20])
        if match.lastgroup != "space":
            found.append((match.lastgroup, match.group()))
        position = match.end()
    return found
