"""Check the internal links of a built site: each names a file that exists, and an anchor that the file has."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag


class Page(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the links and the anchors of a tag."""
        for name, value in attrs:
            if name in {"href", "src"} and value:
                self.links.add(value)
            if name in {"id", "name"} and value:
                self.anchors.add(value)


def broken(site: Path) -> list[str]:
    """Return the links of a site that lead nowhere."""
    pages = {path: Page(path) for path in sorted(site.resolve().rglob("*.html")) if "_static" not in path.parts}
    problems = []
    for path, page in pages.items():
        for link in sorted(page.links):
            address, anchor = urldefrag(link)
            if ":" in address.split("/")[0] or address.startswith("//"):
                continue
            target = (path.parent / unquote(address.split("?")[0])).resolve() if address else path
            named = pages.get(target)
            if not target.exists():
                problems.append(f"{path.relative_to(site.resolve())}: {link} does not exist")
            elif anchor and named is not None and unquote(anchor) not in named.anchors:
                problems.append(f"{path.relative_to(site.resolve())}: {link} names no anchor")
    return problems


if __name__ == "__main__":
    found = broken(Path(sys.argv[1]))
    print("\n".join(found) or "all internal links lead to a page")
    sys.exit(bool(found))
