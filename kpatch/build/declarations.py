"""Which names a change of a header declares, when all it does is declare or drop some.

A file that mentions none of these names compiles to the same code with and without them: an unused
prototype, macro, inline function or type makes none.  So the readers of a widely included header need
not be compiled because it gained a prototype.  Whatever is not plainly such a change is None: then
every reader counts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["declared_names", "is_function_body", "split_declarations", "used_words"]

_COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|\w+|##|->|[^\s\w]')
_DIRECTIVE = re.compile(r"^\s*#\s*(\w*)\s*(.*)$")
_MACRO = re.compile(r"\s*#\s*define\s+\w+(?=\()")
_DEFINING = re.compile(r"^\s*#\s*(?!if|ifdef|ifndef|else|elif|endif|\n)", re.MULTILINE)
_QUALIFIERS = {"static", "extern", "inline", "__inline", "__always_inline", "__maybe_unused", "noinline", "const"}
_QUALIFIERS |= {"asmlinkage", "__must_check", "__init", "__exit", "__pure", "__cold", "__weak", "notrace", "volatile"}
_ATTRIBUTES = {"__attribute__", "__printf", "__scanf", "__alloc_size", "__aligned", "__section", "__nonnull"}
_TAGS = {"struct", "union", "enum"}


def split_declarations(text: str) -> list[str]:
    """The directives and top-level declarations of ``text``, comments and white space normalised away."""
    text = text.replace("\\\n", " ")
    text = _COMMENT.sub(lambda match: " " if match[0].startswith("/") else match[0], text)
    chunks: list[str] = []
    current: list[str] = []
    depth = 0
    for line in text.split("\n"):
        if line.lstrip().startswith("#"):
            directive = _spell_directive(line)
            if current:
                current.append(f"\n{directive}\n")
            else:
                chunks.append(directive)
            continue
        for token in _TOKEN.findall(line):
            current.append(token)
            depth += (token in "({[") - (token in ")}]")
            if depth <= 0 and (token == ";" or (token == "}" and _is_function(current))):
                chunks.append(" ".join(current))
                current, depth = [], 0
    return [*chunks, *([" ".join(current)] if current else [])]


def _spell_directive(line: str) -> str:
    """``line`` with one space between all tokens but a macro's name and its parameters, where none may be."""
    match = _MACRO.match(line)
    name = match[0] if match else ""
    head = _TOKEN.findall(name)
    rest = _TOKEN.findall(line[len(name) :])
    words = [*head[:-1], head[-1] + "".join(rest[:1]), *rest[1:]] if head else rest
    return "".join(words[:1]) + " ".join(words[1:])


def is_function_body(chunk: str) -> bool:
    """Whether a chunk of :func:`split_declarations` is a function that defines no type, or a prototype."""
    tokens = _TOKEN.findall(chunk)
    if _DEFINING.search(chunk) or any(
        word in _TAGS and "{" in tokens[at + 1 : at + 3] for at, word in enumerate(tokens)
    ):
        return False
    return (tokens[-1] == "}" and _is_function(tokens)) or (tokens[-1] == ";" and bool(_name_of_object(tokens)))


def declared_names(old: str, new: str) -> set[str] | None:
    """Names of the declarations that only one of two texts of a header has; None for any other change."""
    gone: set[str] = set()
    come: set[str] = set()
    for before, after in _differences(split_declarations(old), split_declarations(new)):
        for chunks, names in ((before, gone), (after, come)):
            found = _names_of_all(chunks)
            if found is None:
                return None
            names |= found
    # The same name with another meaning: users of it may be made by a macro that pastes names together.
    return None if gone & come else gone | come


def used_words(text: str) -> set[str]:
    """The words of ``text`` but for names where they are declared: what a declaration may take its meaning from."""
    found: set[str] = set()
    for chunk in split_declarations(text):
        directive = _DIRECTIVE.match(chunk)
        own = _names_of_directive(*directive.groups()) if directive else _names_of(_TOKEN.findall(chunk))
        found |= {word for word in _TOKEN.findall(chunk) if word not in (own or ())}
    return found


def _differences(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """The runs that differ, each with what is equal around it until its conditionals are whole on both sides."""
    steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for at, (kind, i, j, k, m) in enumerate(steps):
        if kind == "equal":
            continue
        first = steps[at - 1][1] if at else i
        last = steps[at + 1][2] if at + 1 < len(steps) else j
        while i > first and not (_is_begun(before[i:j]) and _is_begun(after[k:m])):
            i, k = i - 1, k - 1
        while j < last and not (_is_ended(before[i:j]) and _is_ended(after[k:m])):
            j, m = j + 1, m + 1
        yield before[i:j], after[k:m]


def _is_begun(chunks: Sequence[str]) -> bool:
    """Whether no ``#else`` or ``#endif`` among ``chunks`` belongs to an ``#if`` before them."""
    depths = [depth - (word in ("else", "elif")) for word, depth in _conditionals(chunks)]
    return min(depths, default=0) >= 0


def _is_ended(chunks: Sequence[str]) -> bool:
    """Whether no ``#if`` among ``chunks`` is open at their end."""
    depths = [depth for _, depth in _conditionals(chunks)]
    return not depths or depths[-1] <= 0


def _conditionals(chunks: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Each directive's word, and how many conditionals are open behind it."""
    depth = 0
    for chunk in chunks:
        directive = _DIRECTIVE.match(chunk)
        word = directive[1] if directive else ""
        depth += (word in ("if", "ifdef", "ifndef")) - (word == "endif")
        yield word, depth


def _names_of_all(chunks: Sequence[str]) -> set[str] | None:
    """Names that a run of declarations makes known; None when it does more, or its conditionals reach out of it."""
    if not (_is_begun(chunks) and _is_ended(chunks)):
        return None
    names: set[str] = set()
    for chunk in chunks:
        directive = _DIRECTIVE.match(chunk)
        found = _names_of_directive(*directive.groups()) if directive else _names_of(_TOKEN.findall(chunk))
        if found is None:
            return None
        names |= found
    return names


def _names_of_directive(word: str, rest: str) -> set[str] | None:
    if word == "define":
        match = re.match(r"\w+", rest)
        return {match[0]} if match else None
    return set() if word in ("if", "ifdef", "ifndef", "else", "elif", "endif", "") else None


def _names_of(tokens: Sequence[str]) -> set[str] | None:
    if "#" in tokens or "asm" in tokens[:1] or "__asm__" in tokens[:1]:
        return None
    if tokens[0] in _TAGS:
        if len(tokens) == 3 and tokens[2] == ";":
            return set()
        if tokens[2:3] == ["{"] and tokens[-1] == ";" and _closing(tokens, 2) in (len(tokens) - 2, len(tokens) - 3):
            return _names_of_type(tokens)
    if tokens[-1] == "}" and not {"static", *_inline_words(tokens)} <= set(tokens[: tokens.index("{")]):
        return None
    if tokens[0] == "typedef" or tokens[-1] not in (";", "}") or _outside("=", tokens):
        return None
    return _name_of_object(tokens)


def _names_of_type(tokens: Sequence[str]) -> set[str] | None:
    """Tag and constants of ``struct x { ... } ;`` and its like."""
    end = _closing(tokens, 2)
    inside = tokens[3:end]
    trailing = tokens[end + 1 : -1]
    if any(word in _TAGS and inside[at + 2 : at + 3] == ["{"] for at, word in enumerate(inside)):
        return None
    if trailing and trailing != ["__packed"]:
        return None
    if tokens[0] != "enum":
        return None if "enum" in inside and "{" in inside else {tokens[1]}
    constants = {word for at, word in enumerate(inside) if word.isidentifier() and (at == 0 or inside[at - 1] == ",")}
    return {tokens[1], *constants}


def _name_of_object(tokens: Sequence[str]) -> set[str] | None:
    """The function or extern variable that ``tokens`` declare."""
    heads = []
    for at in _top_level(tokens):
        if tokens[at].isidentifier() and tokens[at + 1 : at + 2] == ["("] and tokens[at] not in _ATTRIBUTES:
            heads.append(at)
        if tokens[at] == "{":
            break
    if len(heads) == 1:
        before = [tokens[at] for at in _top_level(tokens[: heads[0]]) if tokens[at].isidentifier()]
        typed = [word for word in before if word not in _QUALIFIERS and word not in _ATTRIBUTES]
        return {tokens[heads[0]]} if typed else None
    if heads or tokens[0] != "extern" or "," in tokens or "(" in tokens:
        return None
    stop = tokens.index("[") if "[" in tokens else len(tokens) - 1
    return {tokens[stop - 1]} if stop >= 3 and tokens[stop - 1].isidentifier() else None


def _inline_words(tokens: Sequence[str]) -> set[str]:
    return {"inline"} if "__always_inline" not in tokens else {"__always_inline"}


def _is_function(tokens: Sequence[str]) -> bool:
    """Whether the ``{`` at the top level of ``tokens`` opens a function's body."""
    opening = next((at for at in _top_level(tokens) if tokens[at] == "{"), 0)
    return opening > 0 and ")" in tokens[:opening] and tokens[0] != "typedef"


def _top_level(tokens: Sequence[str]) -> Iterable[int]:
    """Indices of the tokens that no bracket encloses; an opening one counts."""
    depth = 0
    for at, token in enumerate(tokens):
        depth -= token in (")", "}", "]")
        if depth == 0:
            yield at
        depth += token in ("(", "{", "[")


def _outside(wanted: str, tokens: Sequence[str]) -> bool:
    return any(tokens[at] == wanted for at in _top_level(tokens))


def _closing(tokens: Sequence[str], opening: int) -> int:
    depth = 0
    for at in range(opening, len(tokens)):
        depth += (tokens[at] in "({[") - (tokens[at] in ")}]")
        if depth == 0:
            return at
    return -1
