#!/usr/bin/env bash
# Builds wheel and sdist in dist/ from a clean clone; needs Python and npm. PYTHON chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/assets.sh || { printf 'dist: npm and its packages are needed: nothing was built\n' >&2; exit 1; }
python=build/dist-venv/bin/python
if [ ! -x "$python" ]; then
  "${PYTHON:-python3}" -m venv build/dist-venv
  "$python" -m pip install --quiet --disable-pip-version-check -c tools/constraints.txt hatchling
fi
rm -rf dist
"$python" -m hatchling build --directory dist --target sdist --target wheel
