# The endpoint in a container: docs/containers.md.
# Pin the base by its digest where builds must repeat: --build-arg PYTHON=python:3.13-slim@sha256:…
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.txt ./
RUN /venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: -r requirements.txt \
    && /venv/bin/python -m pip uninstall --yes pip
COPY manage.py appsettings.json ./
COPY commands/__init__.py commands/serve.py commands/config.py commands/tools.py commands/explain.py commands/
COPY shared shared
COPY toolsets toolsets
RUN /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app && chmod -R u=rwX,go=rX /app

FROM ${PYTHON}
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8080"]
