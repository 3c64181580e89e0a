# A small image that runs as nobody in particular:
#   docker build -t mlopsctl . && docker run --rm -v "$PWD:/work" mlopsctl ls
FROM debian:12-slim AS build
WORKDIR /src
COPY . .
RUN scripts/bootstrap && make -j"$(nproc)" && make install DESTDIR=/out PREFIX=/usr && strip /out/usr/bin/mlopsctl

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libssl3 libsqlite3-0 libcjson1 libyaml-0-2 zlib1g libarchive13 libgit2-1.5 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home mlops
COPY --from=build /out/ /
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["mlopsctl"]
CMD ["help"]
