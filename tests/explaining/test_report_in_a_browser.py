"""The report of a model in a real browser."""

import pytest

from deeprke_tf.explaining.report import write_report
from tests.support.browser import CHROMIUM, opened_browser
from tests.support.reported_run import make_explanation, make_reported_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.draws,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]

# Texts of a column of the table whose first head says "what".
COLUMN = """
(column) => {
  const table = [...document.querySelectorAll("table")].find(
    (table) => table.tHead.innerText.startsWith("what"));
  return [...table.tBodies[0].rows].map((row) => row.cells[column].innerText);
}
"""
CLICK = """
(column) => [...document.querySelectorAll("table")].find(
  (table) => table.tHead.innerText.startsWith("what")
).tHead.rows[0].cells[column].querySelector("button").click()
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    directory = make_reported_run(tmp_path_factory.mktemp("report") / "QKI")
    explain = make_explanation(directory / "explain")
    # Beside the model of `deeprke run`, it is found.
    assert explain.parent == directory
    out = write_report(directory / "model", directory / "report.html")
    with opened_browser(tmp_path_factory.mktemp("profile")) as page:
        page.open(out)
        yield page


def test_it_loads_without_an_error_and_asks_nothing_of_the_network(page):
    assert page.evaluate("document.title") == "QKI – DeepRKE model report"
    assert page.problems == []
    assert page.requests and all(
        url.startswith(("file:", "data:")) for url in page.requests
    )


def test_figures_are_drawn(page):
    sizes = page.evaluate(
        "[...document.querySelectorAll('figure .plot > svg')].map(svg => {"
        "const box = svg.getBoundingClientRect(); return [box.width, box.height]})"
    )
    assert len(sizes) >= 8
    assert all(width > 150 and height > 50 for width, height in sizes)
    letters = page.evaluate(
        "[...document.querySelectorAll('.logo use')].map("
        "use => use.getBoundingClientRect().height)"
    )
    # Four letters of two bits each.
    assert len(letters) == 4 and max(letters) - min(letters) < 1 < min(letters)


def test_a_click_on_a_head_sorts_the_table_and_a_second_one_turns_it_round(page):
    page.evaluate(f"({CLICK})(3)")
    rising = [float(text) for text in page.evaluate(f"({COLUMN})(3)")]
    assert rising == sorted(rising) and len(set(rising)) > 10
    page.evaluate(f"({CLICK})(3)")
    assert [float(text) for text in page.evaluate(f"({COLUMN})(3)")] == rising[::-1]
    page.evaluate(f"({CLICK})(1)")
    names = page.evaluate(f"({COLUMN})(1)")
    numbers = [int(name[4:]) for name in names if name.startswith("peak")]
    assert numbers == sorted(numbers)  # peak9 before peak10
    assert page.problems == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_the_page(page, width):
    page.resize(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
