"""Changes of a header that only declare names, and all others."""

from __future__ import annotations

import pytest

from kpatch.build.declarations import declared_names, is_function_body, split_declarations

HEADER = """\
#ifndef H
#define H
struct a { int b; };   /* a comment ; { */
int first(struct a *x);
#ifdef CONFIG_X
static inline int second(void) { return 1; }
#else
static inline int second(void) { return 2; }
#endif
#endif
"""


@pytest.mark.parametrize(
    ("added", "names"),
    [
        ("int third(void);", {"third"}),
        ("struct a *__must_check third(const struct a *x, int (*f)(int));", {"third"}),
        ("extern __printf(1, 2) void third(const char *s, ...);", {"third"}),
        ("void third(const char *s, ...) __attribute__((noreturn));", {"third"}),
        ("static inline void third(void)\n{\n\tfirst((struct a *)0);\n}", {"third"}),
        ("static __always_inline int third(void) { return 1; }", {"third"}),
        ("#define third(x) \\\n\tfirst(x)", {"third"}),
        ("extern int third;", {"third"}),
        ("extern struct a third[];", {"third"}),
        ("struct third;", set()),
        ("struct third { int a; struct a b; };", {"third"}),
        ("enum third { FOURTH, FIFTH = 7, };", {"third", "FOURTH", "FIFTH"}),
        ("#ifdef CONFIG_Y\nint third(void);\n#else\nstatic inline int third(void) { return 0; }\n#endif", {"third"}),
        ("/* nothing */", set()),
    ],
)
def test_what_is_added_or_gone_by_name(added: str, names: set[str]) -> None:
    longer = HEADER.replace("#ifdef CONFIG_X", f"{added}\n#ifdef CONFIG_X")
    assert declared_names(HEADER, longer) == names
    assert declared_names(longer, HEADER) == names


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        # Both end with the same #endif, or begin with the same #ifdef: the difference is only a part of the two.
        ("#ifdef A\nint a(void);\n#else\nint b(void);\n#endif", "#ifdef B\nint c(void);\n#endif", {"a", "b", "c"}),
        ("#ifdef A\nint a(void);\n#endif", "#ifdef A\nint b(void);\n#else\nint c(void);\n#endif", {"a", "b", "c"}),
        ("#ifdef A\nint a(void);\n#endif", "#ifdef A\nint a(void);\n#else\nint b(void);\n#endif", None),
        ("#ifdef A\nint a(void);\n#endif", "#ifdef B\nint a(void);\n#endif", None),
        ("#ifdef A\nint a(void);\n#endif", "#ifdef A\nint b(void);\nint a(void);\n#endif", {"b"}),
    ],
)
def test_conditionals_that_both_versions_share(old: str, new: str, names: set[str] | None) -> None:
    before, after = (HEADER.replace("#ifdef CONFIG_X", f"{text}\n#ifdef CONFIG_X") for text in (old, new))
    assert declared_names(before, after) == names
    assert declared_names(after, before) == names


@pytest.mark.parametrize(
    "added",
    [
        "#include <linux/list.h>",
        "#undef first",
        "#pragma pack(1)",
        "#ifdef CONFIG_Y",
        "#endif\n#ifdef CONFIG_Y",
        "#else",
        "DECLARE_STATIC_KEY_FALSE(third);",
        "static DEFINE_MUTEX(third);",
        "static int third = 1;",
        "int third;",
        "static int third(void) { return 1; }",
        "int third(void) { return 1; }",
        'asm(".globl third");',
        "extern int third, fourth;",
        "struct third { int a; } fourth;",
        "struct third { struct fourth { int a; } b; };",
        "typedef int third;",
        "int third(void), fourth(void);",
    ],
)
def test_what_else_is_added_may_reach_every_reader(added: str) -> None:
    assert declared_names(HEADER, HEADER.replace("#ifdef CONFIG_X", f"{added}\n#ifdef CONFIG_X")) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [("return 1", "return 3"), ("int b;", "int b, c;"), ("struct a *x", "int x"), ("CONFIG_X", "CONFIG_Y")],
)
def test_a_changed_declaration_may_reach_every_reader(old: str, new: str) -> None:
    assert declared_names(HEADER, HEADER.replace(old, new)) is None


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("#define A (7*32+28)", "#define A\t( 7*32 + 28 ) /* words */", True),
        ("#define A(x) (x)", "# define A( x )\t\\\n\t(x)", True),
        ("#define A(x) (x)", "#define A (x) (x)", False),
        ("#define A 1", "#define A 11", False),
        ('#define A "a b"', '#define A "a  b"', False),
        ("#ifdef A", "#ifdef  A", True),
    ],
)
def test_white_space_between_the_words_of_a_directive_says_nothing(old: str, new: str, same: bool) -> None:
    before, after = (HEADER + f"{line}\n#endif\n" for line in (old, new))
    assert (declared_names(before, after) == set()) == same
    assert (split_declarations(before) == split_declarations(after)) == same


def test_comments_strings_and_continued_lines_do_not_end_a_declaration() -> None:
    text = "int a(void) { puts(\"};\"); /* } */ return '}'; }\n#define B \\\n  { ; }\nstruct c { int d; };"
    assert split_declarations(text) == [
        """int a ( void ) { puts ( "};" ) ; return '}' ; }""",
        "#define B { ; }",
        "struct c { int d ; } ;",
    ]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("static int f(struct a *x) { struct a y = { 1 }; return y.b; }", True),
        ("int f(struct a *x);", True),
        ("static int f(void)\n{\n#ifdef X\n\treturn 1;\n#endif\n\treturn 0;\n}", True),
        ("static int f(void)\n{\n#define SIZE 8\n\treturn 1;\n}", False),
        ("static int f(void) { struct b { int c; } d; return 0; }", False),
        ("struct a { int b; };", False),
        ("static const struct ops o = { .f = f };", False),
        ("#define SIZE 8", False),
        ("typedef int t;", False),
    ],
)
def test_functions_that_define_no_type(text: str, answer: bool) -> None:
    (chunk,) = split_declarations(text)
    assert is_function_body(chunk) is answer
