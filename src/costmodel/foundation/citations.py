"""Citations of an estimate: the library and the sources of its inputs, as text or as BibTeX."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CitationFormat = Literal["text", "bibtex"]
FORMATS: tuple[CitationFormat, ...] = ("text", "bibtex")
_ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
    "×": r"$\times$",
}
"""Characters with a meaning in LaTeX, and how they are written."""
_ADDRESS = re.compile(r"https?://[^\s,;()\"']*[^\s,;.()\"']")
_ARXIV = re.compile(r"arXiv[:\s]*(\d{4}\.\d{4,5})(?:v\d+)?", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d{2}")
_DOCUMENT = re.compile(rf"{_ADDRESS.pattern}|{_ARXIV.pattern}|{_YEAR.pattern}|github|PyPI|\bdata/", re.IGNORECASE)
"""What a source that is a document, a repository or a table holds; other sources are reasons of defaults."""
_WORD = re.compile(r"[a-z0-9]+")


class Source(NamedTuple):
    """A source of an input: document, address or table, and the date of the value."""

    text: str
    """Document, address or table."""
    as_of: str = ""
    """Date of the value, or ""."""


def citation(sources: Iterable[Source], stamp: Mapping[str, Any], format: str = "text") -> str:
    """Return how to cite the library, then the sources, sorted. BibTeX leaves out reasons of defaults.

    Parameters
    ----------
    sources : iterable of Source
    stamp : mapping
        `version` and `data_hash` of the library.
    format : str
        "text", one source per line, or "bibtex".

    Raises
    ------
    InputError
        If the format is another one.
    """
    if format not in FORMATS:
        raise InputError(f"format: {unknown('format', str(format), FORMATS)}")
    vintage, listed = table("gpu_prices").vintage, sorted(set(sources))
    if format == "text":
        own = f"costmodel {stamp['version']}, data {stamp['data_hash']} ({vintage})"
        return "\n".join([own, *dict.fromkeys(f"{text} ({day})" if day else text for text, day in listed)])
    dates: dict[str, list[str]] = {}
    for text, day in listed:
        if _DOCUMENT.search(text):
            dates.setdefault(text, []).extend([day] if day else [])
    return "\n\n".join([_library(stamp, vintage), *(_entry(text, days) for text, days in dates.items())])


def bibtex_key(text: str) -> str:
    """Return the key of a source, which depends on its text alone.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> bibtex_key("Luccioni et al. 2023, section 4.1 (arXiv 2211.02001)")
    'arxiv_2211_02001_1c0eeb'
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    if len(papers := set(_ARXIV.findall(text))) == 1:
        return f"arxiv_{papers.pop().replace('.', '_')}_{digest}"
    plain = text.casefold().removeprefix("https://").removeprefix("http://").removeprefix("www.")
    return "_".join([*_WORD.findall(plain)[:3], digest])


def escaped(text: str) -> str:
    """Return text with the characters of LaTeX written out.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> escaped("50 % of R&D_cost")
    '50 \\\\% of R\\\\&D\\\\_cost'
    """
    return "".join(_ESCAPES.get(character, character) for character in " ".join(text.split()))


def _library(stamp: Mapping[str, Any], vintage: str) -> str:
    version = str(stamp["version"])
    key = f"costmodel_{version.replace('.', '_')}_{stamp['data_hash']}"
    fields = {
        "title": "{costmodel: estimates of the cost of training foundation models}",
        "author": "{The costmodel developers}",
        "year": vintage[:4],
        "note": escaped(f"version {version}, data {stamp['data_hash']} of {vintage}"),
    }
    return _formatted(key, fields)


def _entry(text: str, days: list[str]) -> str:
    fields = {"title": f"{{{escaped(text)}}}"}
    if len(papers := set(_ARXIV.findall(text))) == 1:
        fields |= {"eprint": papers.pop(), "archivePrefix": "arXiv"}
    if address := _ADDRESS.search(text):
        fields["howpublished"] = f"\\url{{{_percent_encoded(address[0])}}}"
    if days and (year := _YEAR.match(days[-1])):
        fields["year"] = year[0]
    if days:
        fields["note"] = escaped(f"values of {', '.join(days)}")
    return _formatted(bibtex_key(text), fields)


def _percent_encoded(address: str) -> str:
    """Return an address without the characters that end or escape an argument of LaTeX."""
    return address.replace("\\", "%5C").replace("{", "%7B").replace("}", "%7D")


def _formatted(key: str, fields: Mapping[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@misc{{{key},", *lines, "}"])
