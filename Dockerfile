# One image for every role; the command says which: docker run event-driven-kit order-api
# Without a command all eight run in one process, and nothing is kept.

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /kit
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY system system
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt '.[servers]'

FROM python:3.11.14-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin kit
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH HOST=0.0.0.0
WORKDIR /tmp
USER kit
EXPOSE 8081 8082 8083 8084 8091 8092 8093 8094
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=6 \
    CMD ["python", "-m", "system.healthy"]
ENTRYPOINT ["python", "-m", "system"]
