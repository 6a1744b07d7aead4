"""Pages in headless Chromium: what it logs, and what it measures."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Runs in a copy of the page, after everything is loaded, and leaves what it found in it.
MEASURE = """
<script>
addEventListener("load", () => {
  const found = {
    viewport: innerWidth,
    content: document.documentElement.scrollWidth,
    // Beyond the right edge, and in no box that scrolls.
    outside: [...document.body.querySelectorAll("*")].filter(
      one => one.getBoundingClientRect().right > innerWidth + 1
             && ![...document.querySelectorAll(".skmlp-scroll")].some(
               box => box !== one && box.contains(one))
    ).map(one => one.tagName),
    images: [...document.images].map(
      one => [one.naturalWidth, one.naturalHeight, one.getBoundingClientRect().width]),
    boxes: [...document.querySelectorAll("table")].map(
      one => getComputedStyle(one.parentElement).overflowX),
    smallest: Math.min(...[...document.body.querySelectorAll("p, td, th, dd, figcaption")].map(
      one => parseFloat(getComputedStyle(one).fontSize))),
    requests: performance.getEntriesByType("resource").map(one => one.name)
      .filter(name => !name.startsWith("data:")),
  };
  const place = parent.document.createElement("script");
  place.type = "application/json";
  place.id = "measured";
  place.textContent = JSON.stringify(found);
  parent.document.body.append(place);
});
</script>
"""


# A window cannot be narrower than 500 pixels, but a frame can: to the page it is the viewport.
FRAME = (
    "<!DOCTYPE html><body style='margin: 0'>"
    "<iframe src='{page}' style='width: {width}px; height: 900px; border: 0'></iframe></body>"
)


@dataclass(frozen=True)
class Visit:
    """What the browser wrote to its console, and what `MEASURE` found."""

    width: int
    console: list[str]
    found: dict[str, Any]


def find_browser() -> str | None:
    """The browser's program, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def is_required() -> bool:
    """Whether a missing browser is an error: it is one in continuous integration."""
    return bool(os.environ.get("CI"))


def visit(browser: str, page: str, folder: Path, width: int) -> Visit:
    """Open a page in a viewport of this width, where no address outside can be found."""
    copy, frame = folder / f"copy_{width}.html", folder / f"frame_{width}.html"
    copy.write_text(page.replace("</body>", MEASURE + "</body>"), encoding="utf-8")
    frame.write_text(FRAME.format(page=copy.name, width=width), encoding="utf-8")
    ended = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / f'profile_{width}'}",
            "--allow-file-access-from-files",  # so that the page can write into its frame
            "--window-size=1300,1000",
            "--dump-dom",
            frame.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    [measured] = re.findall(r'id="measured">(.*?)</script>', ended.stdout, flags=re.DOTALL)
    console = [line for line in ended.stderr.splitlines() if "CONSOLE" in line]
    return Visit(width, console, json.loads(unescape(measured)))
