#!/usr/bin/env bash
# Fetches by npm the files of others: the dashboard's chart and font, and components of React and Vue. Compares lock
# files first, so that a second run does nothing. Ends with 1 if something is missing then.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0

# Usage: assets FOLDER MADE NAME CONSEQUENCE; MADE is the folder that `npm run build` fills.
assets() {
  cmp -s "$1/package-lock.json" "$2/package-lock.json" && [ -e "$1/node_modules" ] && return
  if ! command -v npm >/dev/null; then
    printf 'assets: npm is not installed: %s\n' "$4" >&2
    status=1
    return
  fi
  printf 'assets: installing %s (once)\n' "$3"
  (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent build) || {
    printf 'assets: that failed: %s\n' "$4" >&2
    status=1
  }
}

assets fixtures/frameworks fixtures/frameworks/dist \
  "React and Vue, and building a component of each: about 45 MB" \
  "the cases with React and Vue will be reported as not testable"
# And axe for its tests.
assets reference_server/web/dashboard/npm reference_server/web/dashboard/static/vendor \
  "the dashboard's chart and font: about 10 MB" \
  "the dashboard shows tables instead of charts"
exit "$status"
