"""The templates of pages, for services and for files: one engine, one stylesheet, every text escaped.

environment = page_environment("verifier")
environment.get_template("form.html").render(values)
"""

from __future__ import annotations

from importlib import resources

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def page_environment(package: str) -> Environment:
    """Return the templates of a package, over the ones that all share.

    Args:
        package: the package whose folder `templates` is asked first; `ledger` has the shared ones.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, "ledger"))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def stylesheet() -> bytes:
    """Return the stylesheet of all pages."""
    return resources.files("ledger").joinpath("templates", "style.css").read_bytes()
