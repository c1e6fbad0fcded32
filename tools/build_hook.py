"""Build hook: a wheel or sdist without the files of others that npm provides fails, and says why."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WAY_OUT = "run `make dist`, which fetches them by npm and builds wheel and sdist"

_SHOWN = 3
_VENDOR = "reference_server/web/dashboard/static/vendor"
_FRAMEWORKS = "fixtures/frameworks/dist"
REQUIRED = (
    *(f"{_VENDOR}/uplot/{name}" for name in ("uPlot.js", "uPlot.min.css", "LICENSE")),
    *(f"{_VENDOR}/inter/{name}" for name in ("inter-latin.woff2", "inter-latin-ext.woff2", "LICENSE")),
    *(f"{_FRAMEWORKS}/{name}" for name in ("react-component.js", "vue-component.js")),
    *(f"{_FRAMEWORKS}/licences/{name}" for name in ("react", "react-dom", "scheduler", "vue")),
)
"""Files of others, or built from them, and their licences; none may be missing or empty."""

_LOCKS = {
    "reference_server/web/dashboard/npm/package-lock.json": f"{_VENDOR}/package-lock.json",
    "fixtures/frameworks/package-lock.json": f"{_FRAMEWORKS}/package-lock.json",
}


class BuildHook(BuildHookInterface[Any]):
    """Hook of hatchling that is called before each wheel and sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise RuntimeError if files are missing or outdated, unless the installation is editable."""
        if version == "editable":  # tools/setup.sh installs before npm has run, and works without npm.
            return
        if problems := problems_of(Path(self.root)):
            more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            listed = "; ".join(problems[:_SHOWN]) + more
            raise RuntimeError(f"this would be half a package: {listed}: {WAY_OUT}")
        if self.target_name == "wheel":
            build_data["force_include"][_FRAMEWORKS] = f"conformance/_bundled/{_FRAMEWORKS}"
            for page in sorted(
                Path(self.root, "docs").glob("*.md")
            ):  # `clickport docs`; its pictures are large.
                build_data["force_include"][f"docs/{page.name}"] = f"conformance/_bundled/docs/{page.name}"


def problems_of(root: Path) -> list[str]:
    """Return one line for each file that is missing, empty or made from another lock file."""
    missing = [name for name in REQUIRED if not (root / name).is_file() or not (root / name).stat().st_size]
    outdated = [
        copy
        for lock, copy in _LOCKS.items()
        if not (root / copy).is_file() or (root / copy).read_bytes() != (root / lock).read_bytes()
    ]
    return [f"{name} is missing" for name in missing] + [
        f"{Path(copy).parent} was not made from the present package-lock.json" for copy in outdated
    ]
