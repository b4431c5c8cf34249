# Image of naru-connector: built in one stage, run in another that holds the program, its libraries and nothing to build with.
#
#   docker build -f docker/connector.Dockerfile -t naru-connector .
#
# Runs as user 10001 on a read-only root; /etc/naru/connector.conf and the keys that it names are mounted, the state is in /var/lib/naru.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# packages before sources: a change of the code does not install them again
COPY tools/deps tools/deps
RUN tools/deps build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN make RELEASE=1 build/release/naru-connector build/release/naru

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="naru-connector" \
      org.opencontainers.image.description="Connector of a company to a data space: negotiates, delivers, meters" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libcurl4 libgnutls30 libjansson4 libmicrohttpd12 \
        libpq5 libsqlite3-0 libssl3 libuuid1 zlib1g \
 && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old \
 && groupadd --gid 10001 naru \
 && useradd --uid 10001 --gid naru --no-create-home --home-dir /var/lib/naru --shell /usr/sbin/nologin naru \
 && install -d -m 755 /etc/naru \
 && install -d -m 700 -o naru -g naru /var/lib/naru
COPY --from=build /src/build/release/naru-connector /src/build/release/naru /usr/local/bin/
USER 10001:10001
WORKDIR /var/lib/naru
VOLUME /var/lib/naru
EXPOSE 8443
STOPSIGNAL SIGTERM
# the listener of the company side: plain HTTP on the container's own loopback
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["naru", "health", "http://127.0.0.1:8444/check/readiness"]
ENTRYPOINT ["naru-connector"]
CMD ["--config", "/etc/naru/connector.conf"]
