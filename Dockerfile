# The daemon and the commands, nothing else: no compiler, no shell scripts, no root.
#
#   docker build -t pgconflict .
#   docker run --rm -v ./pgconflict.yml:/etc/pgconflict/pgconflict.yml:ro pgconflict check

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
# Everything that pyproject.toml puts into the wheel, and no more: a change of the tests
# builds nothing anew.
COPY pyproject.toml README.md LICENSE ./
COPY config/ config/
COPY sql/ sql/
COPY systemd/ systemd/
COPY pgconflict/ pgconflict/
# Only wheels: a dependency that had to be compiled would need a compiler here.
RUN python -m venv /opt/pgconflict \
 && /opt/pgconflict/bin/pip install --no-cache-dir --only-binary asyncpg,msgspec,psycopg-binary,pydantic-core,pyyaml,stringzilla . \
 && /opt/pgconflict/bin/python -m compileall -q /opt/pgconflict/lib \
 && /opt/pgconflict/bin/pip uninstall --yes --quiet pip

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="pgconflict" \
      org.opencontainers.image.description="Records PostgreSQL logical replication conflicts" \
      org.opencontainers.image.licenses="PostgreSQL"
# A number that --user, file modes and Kubernetes' runAsNonRoot can name.
RUN groupadd --system --gid 970 pgconflict \
 && useradd --system --uid 970 --gid 970 --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin pgconflict
COPY --from=build /opt/pgconflict /opt/pgconflict
ENV PATH=/opt/pgconflict/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 970:970
EXPOSE 9745
# The process answers; whether every node is read is /readyz.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9745/healthz', timeout=4)"]
# It ends within 5 s of SIGTERM, and writes nothing to its own file system.
STOPSIGNAL SIGTERM
ENTRYPOINT ["pgconflict"]
CMD ["run"]
