# One image for the API, the dataflow and the commands. Debian, not Alpine: Bytewax needs glibc 2.31 or newer.

FROM python:3.11-slim-bookworm AS build
# LightFM is compiled here, without -march=native, so that the image runs on other processors too.
ENV LIGHTFM_NO_CFLAGS=1
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.lock pyproject.toml ./
# uv comes by pip, at the version and with the hashes of the lock file; the lock then constrains what uv installs.
RUN awk '/^uv==/ {found = 1} found {print} found && !/\\$/ {exit}' requirements.lock > /tmp/uv.lock \
    && python -m venv /tmp/uv \
    && /tmp/uv/bin/pip install --quiet --require-hashes --no-deps -r /tmp/uv.lock \
    && python -m venv --without-pip /opt/liveshelf \
    && /tmp/uv/bin/uv pip install --python /opt/liveshelf --no-cache --require-hashes --compile-bytecode \
        -c requirements.lock -r pyproject.toml
COPY README.md LICENSE ./
COPY api api
COPY benchmarks benchmarks
COPY cli cli
COPY dataflows dataflows
COPY feature_repo feature_repo
COPY liveshelf_client liveshelf_client
COPY recommender recommender
COPY validation validation
RUN /tmp/uv/bin/uv pip install --python /opt/liveshelf --no-cache --no-deps --no-build-isolation --offline --editable . \
    && /opt/liveshelf/bin/python -m compileall -q api benchmarks cli dataflows feature_repo liveshelf_client recommender validation

FROM python:3.11-slim-bookworm
# libgomp1: the OpenMP runtime that LightFM trains with.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home liveshelf \
    && install --directory --owner liveshelf --group liveshelf /data
COPY --from=build /opt/liveshelf /opt/liveshelf
COPY --from=build /app /app
COPY deploy/init.sh deploy/worker.sh /app/deploy/
ENV PATH=/opt/liveshelf/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OPENBLAS_NUM_THREADS=1 \
    LIVESHELF_DATA_DIR=/data
USER liveshelf
WORKDIR /app
VOLUME /data
CMD ["liveshelf", "--help"]
