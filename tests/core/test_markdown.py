"""The Markdown of a policy's documentation."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.alert import is_web_address, printable
from notifier.core.markdown import (
    CUT,
    Block,
    Form,
    Line,
    Span,
    parsed,
    plain,
    shortened,
    together,
    woven,
)
from notifier.core.markdown_html import html_of_markdown, html_of_plain
from tests.hostile import HOSTILE, alive, words_of

TAGS = {"p", "strong", "em", "code", "pre", "ul", "li", "br", "a"}
ATTRIBUTES = {"dir", "style", "href", "rel"}
FRAGMENTS = st.sampled_from(
    [
        *(
            "*",
            "**",
            "_",
            "__",
            "`",
            "```",
            "~~~",
            "#",
            "- ",
            "1. ",
            "[",
            "](",
            ")",
            "<",
            ">",
            '"',
            "\n",
            "\n\n",
            "    ",
        ),
        *("https://x.example", "http://a.b/(c)", "javascript:", "words", " ", "\\", "!", "&", "---"),
        *HOSTILE.values(),
    ]
)
ANY_MARKDOWN = st.lists(FRAGMENTS | st.text(max_size=5), max_size=30).map("".join).map(printable)


def seen(line: Line) -> str:
    """A line with its marks in letters, for the tables below."""

    def shown(span: Span) -> str:
        return f"({span.text})->" if span.link else f"`{span.text}`" if span.code else span.text

    return woven(line, shown, ("<b>", "</b>"), ("<i>", "</i>"))


def one_line(text: str) -> str:
    ((line,),) = [block.lines for block in parsed(text)]
    return seen(line)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("**bold** and __bold__", "<b>bold</b> and <b>bold</b>"),
        ("*it* and _it_", "<i>it</i> and <i>it</i>"),
        ("**bold *both* bold**", "<b>bold <i>both</i> bold</b>"),
        ("**bold `code`**", "<b>bold `code`</b>"),
        ("`a * b * c` **d**", "`a * b * c` <b>d</b>"),
        ("5 * 3 * 2", "5 * 3 * 2"),
        ("a ** b ** c", "a ** b ** c"),
        ("snake_case_name and __init__.py", "snake_case_name and <b>init</b>.py"),
        ('${a_b} {"x_y": "c_d"}', '${a_b} {"x_y": "c_d"}'),
        (r"\*not\* \[it\](a) \\", r"*not* [it](a) \ ".strip()),
        (r"C:\dir", r"C:\dir"),
        ("**open and `open", "**open and `open"),
        ("<b>HTML</b> &amp;", "<b>HTML</b> &amp;"),
        ("[book](https://a.example/x)", "book ((https://a.example/x)->)"),
        ("[**book**](https://a.example/x)", "<b>book</b> ((https://a.example/x)->)"),
        ('[book](https://a.example/x "title")', "book ((https://a.example/x)->)"),
        ("[book](https://a.example/a_(b))", "book ((https://a.example/a_(b))->)"),
        ("[https://a.example](https://a.example)", "(https://a.example)->"),
        ("[https://bank.example](https://a.example)", "(https://bank.example)-> ((https://a.example)->)"),
        ("![chart](https://a.example/x.png)", "chart ((https://a.example/x.png)->)"),
        ("[x](javascript:alert)", "x (javascript:alert)"),
        ("[x](/relative) [y](mailto:a@b)", "x (/relative) y (mailto:a@b)"),
        ("See https://a.example/x_y_z, now.", "See (https://a.example/x_y_z)->, now."),
        ("<https://a.example/x>", "<(https://a.example/x)->>"),
        ("**https://a.example/x**", "<b>(https://a.example/x)-></b>"),
        ("(https://a.example/x)", "((https://a.example/x)->)"),
    ],
    ids=ascii,
)
def test_a_line_keeps_its_marks_and_a_link_its_address(text: str, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("", []),
        (" \n\n ", []),
        ("a\nb\n\nc", [(Form.PARAGRAPH, "", 0, ["a", "b"]), (Form.PARAGRAPH, "", 0, ["c"])]),
        ("# A #\ntext", [(Form.HEADING, "", 0, ["A"]), (Form.PARAGRAPH, "", 0, ["text"])]),
        ("text\n### C# and F#", [(Form.PARAGRAPH, "", 0, ["text"]), (Form.HEADING, "", 0, ["C# and F#"])]),
        ("#hash\n#", [(Form.PARAGRAPH, "", 0, ["#hash", "#"])]),
        (
            "- a\n  b\n* c\n    + d\n",
            [(Form.ITEM, "•", 0, ["a", "b"]), (Form.ITEM, "•", 0, ["c"]), (Form.ITEM, "•", 2, ["d"])],
        ),
        (
            "1. a\n3) b\nend",
            [(Form.ITEM, "1.", 0, ["a"]), (Form.ITEM, "3)", 0, ["b"]), (Form.PARAGRAPH, "", 0, ["end"])],
        ),
        (" " * 40 + "- deep", [(Form.ITEM, "•", 3, ["deep"])]),
        ("-not\n1.5 GB", [(Form.PARAGRAPH, "", 0, ["-not", "1.5 GB"])]),
        ("a\n---\n* * *\nb", [(Form.PARAGRAPH, "", 0, ["a"]), (Form.PARAGRAPH, "", 0, ["b"])]),
        (
            "a\n```sh\n# x\n\n  **y**\n```\nb",
            [
                (Form.PARAGRAPH, "", 0, ["a"]),
                (Form.CODE, "", 0, ["`# x`", "``", "`  **y**`"]),
                (Form.PARAGRAPH, "", 0, ["b"]),
            ],
        ),
        ("~~~\n```\n~~~", [(Form.CODE, "", 0, ["`````"])]),
        ("```\nnever ended", [(Form.CODE, "", 0, ["`never ended`"])]),
        ("```\n```\na", [(Form.PARAGRAPH, "", 0, ["a"])]),
    ],
    ids=ascii,
)
def test_lines_are_put_into_blocks(text: str, blocks: list[tuple[Form, str, int, list[str]]]) -> None:
    found = [(one.form, one.marker, one.depth, [seen(line) for line in one.lines]) for one in parsed(text)]
    assert found == blocks


def shown(blocks: Sequence[Block]) -> str:
    return together(blocks, lambda block: "\n".join(map(seen, block.lines)))


def test_paragraphs_stand_apart_and_items_together() -> None:
    assert shown(parsed("a\n- b\n- c\n\n\nd")) == "a\n\nb\nc\n\nd"


def within(text: str, room: int) -> str:
    return shown(shortened(parsed(text), room, lambda some: len(shown(some))))


def test_what_fits_is_not_shortened() -> None:
    assert within("one\n\ntwo", 8) == "one\n\ntwo"


def test_a_long_documentation_ends_at_the_end_of_a_line_and_says_so() -> None:
    text = "\n".join(f"line {number} **b**" for number in range(100))
    assert within(text, 75) == f"line 0 <b>b</b>\nline 1 <b>b</b>\n\n{CUT}"


def test_a_line_too_long_for_all_of_it_is_cut_within() -> None:
    assert within("x" * 500, 50) == "x" * (50 - 2 - len(CUT)) + f"\n\n{CUT}"
    assert within("```\n" + "x" * 500, 50) == "`" + "x" * (48 - 2 - len(CUT)) + f"`\n\n{CUT}"


def test_a_block_of_code_that_is_cut_stays_a_block_of_code() -> None:
    short = shortened(parsed("```\na\nb\n" + "c" * 100), 60, lambda some: len(shown(some)))
    assert short[0] == Block(Form.CODE, ((Span("a", code=True),), (Span("b", code=True),)))


@given(ANY_MARKDOWN, st.integers(60, 2_000))
def test_whatever_it_is_it_fits(text: str, room: int) -> None:
    assert len(within(text, room)) <= room


@given(ANY_MARKDOWN)
def test_a_link_is_a_web_address_that_shows_itself(text: str) -> None:
    for blocks in (parsed(text), plain(text)):
        spans = [span for block in blocks for line in block.lines for span in line]
        assert all(is_web_address(span.text) and span.text in text for span in spans if span.link)


@given(ANY_MARKDOWN)
def test_its_html_holds_our_own_elements_and_links_to_what_they_show(text: str) -> None:
    for page in (html_of_markdown(text), html_of_plain(text)):
        assert alive(page, TAGS, ATTRIBUTES) == []


@given(ANY_MARKDOWN)
def test_no_word_is_lost(text: str) -> None:
    """Only marks and space may go: letters and digits all stay, in their order."""

    def letters(some: str) -> str:
        return "".join(one for one in some if one.isalnum())

    assert letters(words_of(html_of_plain(text))) == letters(text)


@pytest.mark.parametrize(
    "fill", ["*", "**a ", "_a", "__a", "[", "[a](", "`", "![", "# ", "- ", "\\", "https://", "* * "]
)
def test_no_text_takes_long(fill: str) -> None:
    began = time.process_time()
    parsed((fill * 8_000)[:8_000])
    assert time.process_time() - began < 1


def test_html_of_each_block() -> None:
    assert html_of_markdown("# A\nb <i>\nc\n- d\n1. e\n```\n<f>\n```") == (
        '<p dir="auto" style="margin:12px 0"><strong>A</strong></p>\n'
        '<p dir="auto" style="margin:12px 0">b &lt;i&gt;<br>\nc</p>\n'
        '<ul style="list-style:none;margin:12px 0;padding:0">\n'
        '<li dir="auto" style="margin:4px 0 4px 0px">• d</li>\n'
        '<li dir="auto" style="margin:4px 0 4px 0px">1. e</li>\n'
        "</ul>\n"
        '<pre style="margin:12px 0;white-space:pre-wrap"><code>&lt;f&gt;</code></pre>'
    )


def test_plain_text_has_no_marks_but_its_addresses_are_links() -> None:
    assert html_of_plain("**a** https://a.example/x.\nb") == (
        '<p dir="auto" style="margin:12px 0">**a** '
        '<a href="https://a.example/x" rel="noreferrer">https://a.example/x</a>.<br>\nb</p>'
    )
