# negtrace and all that it needs, for CPUs and CUDA GPUs (docs/environments.md):
#   docker build --tag negtrace .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/study" negtrace
ARG BASE=python:3.12-slim
FROM ${BASE}
# An index that torch comes from; empty: PyPI, whose build brings CUDA along.
ARG TORCH_INDEX=
# For any --user: one that the image does not know has neither name nor home.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    USER=negtrace HOME=/tmp XDG_CACHE_HOME=/tmp/cache MPLCONFIGDIR=/tmp/matplotlib
COPY . /opt/negtrace
RUN cd /opt/negtrace \
    && if [ -n "$TORCH_INDEX" ]; then grep -oE '"torch(vision)?==[^"]+' pyproject.toml | tr -d '"' \
        | xargs python -m pip install --no-deps --index-url "$TORCH_INDEX"; fi \
    && python -m pip install --editable ".[transformers,slurm]"
# Where a study's files lie and its results go.
WORKDIR /study
ENTRYPOINT ["snakemake", "--snakefile", "/opt/negtrace/Snakefile"]
CMD ["--cores", "all"]
