"""Links to files of the repository that are not pages: to the page that shows the file, or plain text."""

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "README.md": "index",
    "data/README.md": "reference/data",
}
"""Page that shows a file, by the path of the file."""


def resolve(app: Sphinx, doctree: nodes.document) -> None:
    """Replace the references of a page to files of the repository; a file that does not exist stays a warning."""
    page = app.env.current_document.docname
    written = Path(app.srcdir) / app.env.doc2path(page, base=False)
    shown = [ROOT / file for file, shows in PAGES.items() if shows == page]
    if page.startswith("tutorials/") and written.suffix == ".ipynb":
        shown.append(ROOT / "notebooks" / written.name)
    for node in list(doctree.findall(pending_xref)):
        name = node["reftarget"].split("#")[0]
        targets = [
            (file.parent / f"{name}{end}").resolve() for file in (written, *shown) for end in ("", ".md", ".ipynb")
        ]
        target = next((each for each in targets if each.is_file() and each.is_relative_to(ROOT)), None)
        if target is None or (target.is_relative_to(app.srcdir) and not shown):
            continue
        path = target.relative_to(ROOT).as_posix()
        if target.is_relative_to(app.srcdir):
            node.replace_self(_page(node, page, f"/{target.relative_to(app.srcdir).with_suffix('').as_posix()}"))
        elif path.startswith("notebooks/"):
            node.replace_self(_page(node, page, f"/tutorials/{target.stem}"))
        elif path in PAGES:
            node.replace_self(_page(node, page, f"/{PAGES[path]}"))
        else:
            node.replace_self(nodes.inline("", "", *node.children))


def _page(node: pending_xref, page: str, target: str) -> pending_xref:
    """Return a reference to a page with the text of a reference."""
    options = {"refdomain": "std", "reftype": "doc", "reftarget": target, "refexplicit": True, "refwarn": True}
    return pending_xref("", *node.children, refdoc=page, **options)


def setup(app: Sphinx) -> dict[str, bool]:
    """Replace references after each page is read."""
    app.connect("doctree-read", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
