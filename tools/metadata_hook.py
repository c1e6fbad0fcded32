"""Metadata hook: the description of the package is README.md, with links that lead to the repository."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE = re.compile(r"\]\((?!https?:|#)")


class MetadataHook(MetadataHookInterface):
    """Hook of hatchling that adds the member ``readme`` to the metadata of the project."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the description; its relative links become links to the files of the repository."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        files = f"{metadata['urls']['Homepage']}/blob/main/"
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": _RELATIVE.sub(f"]({files}", text),
        }
