# The worker's image: built with a compiler, run without one, never as root.
ARG PYTHON=3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM python:${PYTHON} AS build
# accumulation-tree (a dependency of tdigest) is published as source only.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
WORKDIR /src
COPY requirements-build.lock requirements-runtime.lock ./
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements-build.lock \
 && pip wheel --require-hashes --no-deps --no-build-isolation --wheel-dir /wheels \
    -r requirements-runtime.lock
COPY pyproject.toml LICENSE ./
COPY schemas schemas
COPY streams streams
COPY agents agents
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:${PYTHON}
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --no-deps /wheels/*.whl \
 && useradd --system --uid 10001 --create-home opwatch
USER opwatch
WORKDIR /home/opwatch
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["opwatch"]
CMD ["--help"]
