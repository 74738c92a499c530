"""The site of the documents: pages of commands have all flags; it needs no server."""

import re
import sys
from pathlib import Path

import pytest

from deeprke_tf import cli
from tests.support.browser import CHROMIUM, opened_browser

ROOT = Path(__file__).parent.parent
SITE = ROOT / "site"
# Pages with wide tables, long commands, pictures or code.
WIDE = [
    *("index", "tutorial", "tutorial_python", "api", "coming-from", "results"),
    *("commands/train", "results/rbp31/report", "copied/benchmarks", "scan", "how-to"),
]

sys.path.insert(0, str(ROOT / "docs"))
import pages  # noqa: E402

SUBCOMMANDS = {"models": ("list", "show", "add", "remove", "export", "import")}

built = pytest.mark.skipif(
    not (SITE / "index.html").exists(), reason="the site is not built: make docs"
)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_page_of_a_command_has_the_flags_of_its_help(command, capsys):
    for subcommand in SUBCOMMANDS.get(command, ("",)):
        with pytest.raises(SystemExit):
            cli.main([*filter(None, (command, subcommand)), "--help"])
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    shown = set(re.findall(r"^\W+(?:-h, )?(--\w[\w-]*)", plain, re.M))
    page = pages.command_page(command)
    assert set(re.findall(r"^`(--[\w-]+)", page, re.M)) == shown - {"--help"}
    assert not re.findall(r"^`(.+)`\n:\s*$", page, re.M), "flags without a description"


def test_links_out_of_the_folder_lead_to_pages_of_the_site():
    page = ROOT / "docs" / "scale.md"
    linked = "[a](../tfrecords/README.md#records) [b](scan.md) [c](https://x.org/y.md)"
    expected = "[a](copied/records.md#records) [b](scan.md) [c](https://x.org/y.md)"
    assert pages.with_links(linked, page, page) == expected


@built
def test_no_page_asks_another_server_for_anything():
    loaded = re.compile(
        r"""(?:<(?:script|img|iframe|source)[^>]+src|<link[^>]+href)=["'](?:https?:)?//"""
        r"""|@import\s+["']?(?:url\()?["']?https?:|url\(["']?https?:"""
    )
    files = [path for path in SITE.rglob("*") if path.suffix in (".html", ".css")]
    assert len(files) > 40
    asking = [path for path in files if loaded.search(path.read_text("utf-8"))]
    assert not asking


@built
@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")
def test_pages_fit_a_phone_and_load_without_a_server(tmp_path):
    with opened_browser(tmp_path) as page:
        page.resize(375)
        wide = []
        for name in WIDE:
            page.open(SITE / f"{name}.html")
            if page.evaluate("document.documentElement.scrollWidth") > 375:
                wide.append(name)
        assert not wide
        assert all(url.startswith(("file:", "data:")) for url in page.requests)


@built
@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")
def test_search_finds_a_page_without_a_server(tmp_path):
    found = "document.querySelectorAll('ul.search li').length"
    with opened_browser(tmp_path) as page:
        page.open(SITE / "search.html", "q=calibration")
        for _ in range(50):
            if page.evaluate(found) > 2:
                break
            page.evaluate("new Promise(done => setTimeout(done, 100))", wait=True)
        assert page.evaluate(found) > 2
