"""Web pages that need nothing else: style, macros and scripts of all of them."""

from typing import Any

import jinja2

_OURS = "deeprke_tf.explaining"


def render(template: str, contents: dict[str, Any], package: str = _OURS) -> str:
    """Returns a page.

    Args:
      template: Name of its file in `templates`; it may include `report.css` and
        `report.js` and import from `macros.html.jinja`.
      contents: What the template names.
      package: The package whose `templates` it lies in.
    """
    places = dict.fromkeys([package, _OURS])
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(place) for place in places]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(contents)
