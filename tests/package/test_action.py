"""The GitHub action: its steps are run, from its own YAML, on a sample repository."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import __version__
from tests.package.conftest import ROOT, one

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
EXPRESSION = re.compile(r"\$\{\{ ([a-z-]+)\.([\w.-]+) \}\}")
ANNOTATION = re.compile(r"^::(error|warning|notice) (.*?)::(.*)$", re.MULTILINE)


@dataclass
class Runner:
    """A runner of shell steps: the files and variables of GitHub that the action uses, in a folder."""

    folder: Path
    repository: Path
    inputs: dict[str, str]
    outputs: dict[str, dict[str, str]]
    log: str = ""

    def run(self, step: dict[str, Any]) -> int:
        """Run a shell step as GitHub does, keep its outputs, and return its exit code."""
        assert step["shell"] == "bash"
        for name in ("output", "summary"):
            (self.folder / name).touch()
        script = self.folder / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.repository,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                **{name: self.value(text) for name, text in step.get("env", {}).items()},
                "RUNNER_TEMP": str(self.folder),
                "GITHUB_OUTPUT": str(self.folder / "output"),
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
                # Dependencies are those of this environment: nothing is fetched.
                "PIP_NO_DEPS": "1",
                "PIP_NO_INDEX": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.log += done.stdout
        written = (self.folder / "output").read_text(encoding="utf-8").splitlines()
        self.outputs.setdefault(step.get("id", ""), {}).update(re.findall(r"(.*?)=(.*)", "\n".join(written)))
        (self.folder / "output").unlink()
        return done.returncode

    def value(self, text: str) -> str:
        """Return a text with its expressions evaluated: inputs, outputs of steps, the system."""
        return EXPRESSION.sub(lambda found: self._expression(found[1], found[2]), text)

    def _expression(self, context: str, name: str) -> str:
        match context, name.split("."):
            case "inputs", [input_]:
                return self.inputs.get(input_, str(ACTION["inputs"][input_].get("default", "")))
            case "steps", [step, "outputs", output]:
                return self.outputs[step][output]
            case "runner", ["os"]:
                return "Linux"
        raise AssertionError(f"the tests do not know {context}.{name}")


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Return a runner on which the action's own steps have installed the wheel and found the browser."""
    folder = tmp_path_factory.mktemp("runner")
    repository = tmp_path_factory.mktemp("sample")
    runner = Runner(folder, repository, {"package": str(one(dist, "*.whl"))}, {})
    install, browsers = (step for step in STEPS if "run" in step and step["name"].startswith("Install"))
    # The step reads the version of Playwright, which is a dependency.
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "clickport")}))
    own.mkdir(parents=True)
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    assert (runner.run(install), runner.run(browsers)) == (0, 0), runner.log
    return runner


def check(installed: Runner, folder: Path, tracker: str, **inputs: str) -> tuple[int, Runner]:
    """Run the remaining shell steps on a repository with this tracker; return the exit code of the last."""
    (folder / "dist").mkdir(exist_ok=True)
    (folder / "dist" / "t.js").write_text(tracker, encoding="utf-8")
    given = {"tracker": "dist/t.js", **{name.replace("_", "-"): text for name, text in inputs.items()}}
    runner = Runner(folder, folder, given, dict(installed.outputs))
    step, verdict = (step for step in STEPS if step.get("name") in ("Check", "Give the verdict"))
    assert runner.run(step) == 0, runner.log
    return runner.run(verdict), runner


GOOD = (ROOT / "tracker" / "tracker.js").read_text(encoding="utf-8")
# Both words and lines are used, so that each way of passing arguments is.
ONLY = "--only\nPROP-2\n--only\nREV-1\n--max-examples=0"


def test_a_sound_tracker_is_green(installed: Runner, tmp_path: Path) -> None:
    """A conformant tracker ends with 0, without an annotation, with outputs, summary and every report."""
    code, runner = check(installed, tmp_path, GOOD, arguments=ONLY, lanes="tracker", requirements="2026-1")
    assert (code, ANNOTATION.findall(runner.log)) == (0, []), runner.log
    outputs = {name: runner.value(row["value"]) for name, row in ACTION["outputs"].items()}
    assert (outputs["conformant"], outputs["exit-code"]) == ("true", "0")
    for name in ("json", "junit", "html", "markdown", "record"):
        assert (tmp_path / outputs[name]).stat().st_size
    summary = (tmp_path / "summary").read_text(encoding="utf-8")
    assert summary == (tmp_path / outputs["markdown"]).read_text(encoding="utf-8")
    assert "Conformant" in summary


def test_a_pull_request_that_breaks_the_tracker_is_red(installed: Runner, tmp_path: Path) -> None:
    """One fault makes the job red, with exactly one annotation: at its requirement and at the tracker."""
    assert GOOD.count(".slice(0, 30)") == 1
    broken = GOOD.replace(".slice(0, 30)", ".slice(0, 31)")
    code, runner = check(installed, tmp_path, broken, arguments=ONLY)
    [(kind, properties, text)] = ANNOTATION.findall(runner.log)
    assert (code, kind, properties) == (1, "error", "file=dist/t.js,title=PROP-2 MUST (tracker)"), runner.log
    assert "expected 30 members, got 31" in text
    assert runner.value(ACTION["outputs"]["conformant"]["value"]) == "false"
    assert "PROP-2" in (tmp_path / "summary").read_text(encoding="utf-8")


def test_a_baseline_and_a_waiver_are_handed_on(installed: Runner, tmp_path: Path) -> None:
    """Inputs with spaces and several lines reach the command whole: the record has them."""
    known = '[[known]]\ncase = "tracker/prop-2-31-properties"\nreason = "r"\nissue = "i"\n'
    (tmp_path / "known failures.toml").write_text(known, encoding="utf-8")
    code, runner = check(
        installed,
        tmp_path,
        GOOD,
        arguments="--only\ntracker/rev-1-cents",
        baseline="known failures.toml",
        waivers="QUOTA-1=no usage API\nDASH-1=no dashboard, yet",
    )
    assert code == 0, runner.log
    [first, *_] = (tmp_path / runner.outputs["check"]["record"]).read_text(encoding="utf-8").splitlines()
    about = json.loads(first)
    assert [row["case"] for row in about["known"]] == ["tracker/prop-2-31-properties"]
    assert {row["requirement"]: row["reason"] for row in about["waivers"]} == {
        "QUOTA-1": "no usage API",
        "DASH-1": "no dashboard, yet",
    }


def test_a_run_that_cannot_begin_is_red(installed: Runner, tmp_path: Path) -> None:
    """A usage error is one annotation and the exit code; an earlier report is not taken for this run's."""
    (tmp_path / "clickport-reports").mkdir()
    (tmp_path / "clickport-reports" / "report.json").write_text('{"conformant": true}', encoding="utf-8")
    code, runner = check(installed, tmp_path, GOOD, arguments="--only\nno-such-case")
    [(kind, properties, _)] = ANNOTATION.findall(runner.log)
    assert (code, kind, properties) == (2, "error", "title=clickport could not run")
    assert runner.outputs["check"]["conformant"] == "unknown"


def test_only_actions_of_github_are_used() -> None:
    """The steps that are not shell are these, with a version; the tests do not run them."""
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert [name.partition("@")[0] for name in used] == [
        "actions/setup-python",
        "actions/cache",
        "actions/upload-artifact",
    ]
    assert all(re.fullmatch(r"[\w/-]+@v\d+", name) for name in used)
    assert [step["name"] for step in STEPS if ("uses" in step) is ("run" in step)] == []


def test_no_input_is_pasted_into_a_script() -> None:
    """Scripts get inputs by variables, so that no text of a repository becomes a command."""
    assert [step["name"] for step in STEPS if "${{" in step.get("run", "")] == []
    used = {name for step in STEPS for name in re.findall(r"inputs\.([\w-]+)", json.dumps(step))}
    assert used == set(ACTION["inputs"])


def test_the_package_is_of_this_version() -> None:
    """A tag of the action installs the package of the same version."""
    assert ACTION["inputs"]["package"]["default"].endswith(f"=={__version__}")
    gitlab = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text(encoding="utf-8"))
    assert gitlab[".clickport"]["variables"]["CLICKPORT_PACKAGE"].endswith(f"=={__version__}")


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
@pytest.mark.parametrize("step", [s for s in STEPS if "run" in s], ids=lambda step: str(step["name"]))
def test_scripts_are_valid(step: dict[str, Any]) -> None:
    """Bash can read each script."""
    subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)
