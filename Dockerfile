# syntax=docker/dockerfile:1
# The operator as an image: one static binary, CA certificates and the time zone database, and nothing else.
#
#   docker build -t REGISTRY/runready:VERSION --build-arg REVISION=$(git rev-parse HEAD) .
#
# The cache mounts need BuildKit (Docker's default since 23), or podman.

ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-alpine AS build
# musl-dev and a C compiler are for ring; the other two are copied into the image.
RUN apk add --no-cache build-base ca-certificates tzdata
WORKDIR /src
# What is left out of the image anyway (tests, benches, charts, docs) can't spoil the cache: .dockerignore lets none of it in.
COPY Cargo.toml Cargo.lock ./
COPY src src
# On Alpine the host is musl, and Rust links it statically. The cache mounts keep the registry and the compiled dependencies from one
# build to the next, so that a change of src/ compiles this package alone.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --profile dist --locked --bin runready \
    && install -D target/dist/runready /image/runready \
    && ! readelf -l /image/runready | grep INTERP \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && install -d /image/usr/share && cp -r /usr/share/zoneinfo /image/usr/share/

FROM scratch
COPY --from=build /image /
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="runready" \
      org.opencontainers.image.description="Says whether the path from a Cloud Run service to what it depends on is ready, and which layer broke if it is not" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# A number, so that runAsNonRoot can be judged; there is no user database to look a name up in.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/runready"]
CMD ["run"]
