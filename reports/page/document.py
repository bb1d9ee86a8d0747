"""The page as HTML text: one script and one style inside, the record in base64, a policy that forbids the network."""

from __future__ import annotations

import base64
import hashlib
import html
from functools import cache
from importlib import resources

from archsim.reports.page.encode import encoded
from archsim.reports.page.record import SweepPage
from archsim.reports.values import printable

SCRIPTS = (
    "elements.js",
    "numbers.js",
    "palette.js",
    "record.js",
    "state.js",
    "scales.js",
    "raster.js",
    "figure.js",
    "scatter.js",
    "parallel.js",
    "bars.js",
    "roofline.js",
    "timeline.js",
    "table.js",
    "design.js",
    "page.js",
)
"""In the order in which they use one another."""
STYLE = "page.css"


def page_html(page: SweepPage) -> str:
    """The whole document. Every text of the record is data: escaped here, or inside the block that the script reads."""
    script, style = _script(), _style()
    title = html.escape(printable(page.title))
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(script, style)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{title} · archsim</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            f'<header id="head"><h1>{title}</h1>{_subtitle(page)}</header>',
            '<main id="page"><p id="loading">Reading the record…</p>',
            "<noscript><p>This page draws its figures with JavaScript, which is switched off.</p></noscript>",
            "</main>",
            f'<script type="application/octet-stream" id="record">{encoded(page)}</script>',
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        )
    )


def _subtitle(page: SweepPage) -> str:
    return f"<p>{html.escape(printable(page.subtitle))}</p>" if page.subtitle else ""


def _policy(script: str, style: str) -> str:
    """Nothing may be loaded; the one script and the one style are known by their hashes."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'sha256-{_hash(script)}'",
            f"style-src 'sha256-{_hash(style)}'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def _script() -> str:
    """All scripts in one function scope, so that the page has no global names of ours."""
    parts = [_read(f"scripts/{name}") for name in SCRIPTS]
    return '\n(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();\n"


@cache
def _style() -> str:
    return _read(STYLE)


def _read(name: str) -> str:
    return resources.files("archsim.reports.page").joinpath(name).read_text(encoding="utf-8")
