"""What stands in single backticks in a docstring: a link where it is a documented name, code otherwise.

Other references that cannot be resolved stay errors (`-n -W`).
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from public import short_names
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

DEFAULT_ROLE = "code-or-link"


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.add_role(DEFAULT_ROLE, code_or_link)
    app.connect("missing-reference", by_short_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def code_or_link(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, *_: Any
) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """The default role."""
    context = inliner.document.settings.env.ref_context
    reference = addnodes.pending_xref(
        rawtext,
        nodes.literal(rawtext, text, classes=["xref", "py", "py-obj"]),
        refdomain="py",
        reftype="obj",
        reftarget=text.removesuffix("()"),
        refexplicit=False,
        refwarn=False,
        optional=True,
    )
    reference["py:module"] = context.get("py:module")
    reference["py:class"] = context.get("py:class")
    return [reference], []


def by_short_name(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.TextElement
) -> nodes.Node | None:
    """A name as docstrings use it, without the package; and code where that is allowed."""
    if node.get("refdomain") != "py":
        return None
    head, dot, member = node["reftarget"].partition(".")
    full = short_names().get(node["reftarget"]) or (
        f"{short_names()[head]}{dot}{member}" if head in short_names() else None
    )
    objects = env.get_domain("py").objects  # type: ignore[attr-defined]
    if full in objects:
        entry = objects[full]
        uri = app.builder.get_relative_uri(node["refdoc"], entry.docname) + f"#{entry.node_id}"
        return nodes.reference("", "", shown, internal=True, refuri=uri, reftitle=full)
    return shown if node.get("optional") else None
