# clickport with its three browsers and an embedded ClickHouse. docs/ci.md explains how to run it.
#
#   docker build --tag clickport .
#   docker run --rm --read-only --tmpfs /tmp --shm-size 1g --volume "$PWD:/work" clickport check --tracker dist/t.js

# The browser files of others, and the wheel. The build fails if any file is missing.
FROM node:22-slim AS assets
WORKDIR /src
COPY fixtures/frameworks fixtures/frameworks
COPY reference_server/web/dashboard reference_server/web/dashboard
COPY tools/assets.sh tools/
RUN tools/assets.sh

FROM python:3.13-slim-trixie AS build
WORKDIR /src
COPY . .
COPY --from=assets /src/fixtures/frameworks/dist fixtures/frameworks/dist
COPY --from=assets /src/reference_server/web/dashboard/static/vendor reference_server/web/dashboard/static/vendor
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim-trixie
# No versions: security updates of the browsers are wanted, and Debian keeps no older ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        chromium-headless-shell firefox-esr webkit2gtk-driver xvfb xauth \
    && rm -rf /var/lib/apt/lists/*
COPY tools/constraints.txt /tmp/constraints.txt
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --constraint /tmp/constraints.txt \
        "$(echo /wheels/*.whl)[reference,webkit,load]" \
    && rm /tmp/constraints.txt \
    && clickport doctor
RUN useradd --create-home --uid 1000 clickport && install --directory --owner clickport /work
# Everything that is written goes to /work, which is mounted, and to /tmp, so that the rest can be read-only.
ENV HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /work
EXPOSE 8000
ENTRYPOINT ["clickport"]
CMD ["--help"]
