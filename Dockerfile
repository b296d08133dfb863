# Sluice in a container.
#
#   docker build -t sluice .
#   docker run -p 8000:8000 -v sluice-data:/var/lib/sluice --stop-timeout 1900 sluice
#
# Options go behind the image's name (`sluice --workers 4`), or are variables (`-e SLUICE_WORKERS=4`).
#
# The ring (32 MiB unless --ring-size says) lies in /dev/shm, of which Docker gives 64 MiB: a larger one
# needs --shm-size. `docker stop` drains: everything is committed, and nothing is lost, provided that
# --stop-timeout is longer than --drain-timeout (30 minutes). But a container that is killed takes its
# /dev/shm with it: that is a power cut, after which only what was committed (every 50 ms, or sooner) is
# there. To keep the ring then, too, let it lie in the host's memory:
#
#   --mount type=bind,src=/dev/shm/sluice,dst=/run/sluice -e SLUICE_RUN_DIR=/run/sluice
#
# (the directory made before, and user 10001's).

FROM debian:12-slim AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# GraphiQL comes from npm while the build is set up; `--build-arg GRAPHIQL=disabled` does without.
ARG GRAPHIQL=enabled
WORKDIR /source
COPY tools/packages.sh tools/
RUN . tools/packages.sh; \
    install_missing "${PACKAGES_BUILD[@]}"; \
    [ "$GRAPHIQL" = disabled ] || install_npm
COPY . .
RUN meson setup /build --prefix=/usr --buildtype=release -Db_lto=true -Dtests=disabled \
        -Dbench=false "-Dgraphiql=$GRAPHIQL"; \
    DESTDIR=/installed meson install -C /build --strip

FROM debian:12-slim
LABEL org.opencontainers.image.title="Sluice" \
      org.opencontainers.image.description="Real-time event server" \
      sluice.stop-timeout="longer than --drain-timeout: docker run --stop-timeout 1900" \
      sluice.shm-size="larger than --ring-size: docker run --shm-size"
RUN apt-get update -q && \
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        libcurl4 libhttp-parser2.9 libinih1 libjson-c5 liblmdb0 libnghttp2-14 libssl3 libsystemd0 libwslay1 zlib1g \
        libxxhash0 && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/sluice \
        --shell /usr/sbin/nologin sluice && \
    install -d -o sluice -g sluice -m 750 /var/lib/sluice
COPY --from=build /installed/usr /usr
COPY --from=build /installed/etc /etc
USER sluice
# In a container the published port is what can be reached; sluicectl finds the server by its data.
ENV SLUICE_LISTEN=0.0.0.0:8000 \
    SLUICE_DATA=/var/lib/sluice
VOLUME /var/lib/sluice
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["sluicectl", "--quiet", "health"]
ENTRYPOINT ["sluice"]
