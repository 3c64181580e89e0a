/* Container images made on the spot: layers as ustar, a layout as a folder. For tests and the fuzzer. */
#ifndef TESTS_UNIT_IMAGE_HELP_H
#define TESTS_UNIT_IMAGE_HELP_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mlopsctl/base/hash.h>
#include <mlopsctl/base/io.h>

#define LAYER_MAX ((size_t)128 << 10)

struct layer {
    char p[LAYER_MAX];
    size_t n;
};

static inline void image_must(bool ok, const char *what)
{
    if (!ok) {
        printf("Bail out! %s\n", what);
        abort();
    }
}

/* type as in ustar: '0' file, '1' hard link, '2' symbolic link, '3' device, '5' folder. to: of links, else
 * the content of a file; NULL: none. */
static inline void layer_add(struct layer *l, const char *path, char type, unsigned mode, const char *to)
{
    bool link = type == '1' || type == '2';
    size_t size = to && !link ? strlen(to) : 0;
    image_must(l->n + 2048 + size < LAYER_MAX, "a layer is too large");
    char *h = l->p + l->n;
    memset(h, 0, 1024 + size + 512);
    snprintf(h, 100, "%s", path);
    snprintf(h + 100, 8, "%07o", mode & 07777);
    snprintf(h + 108, 8, "%07o", 0U);
    snprintf(h + 116, 8, "%07o", 0U);
    snprintf(h + 124, 12, "%011o", (unsigned)size);
    snprintf(h + 136, 12, "%011o", 0U);
    memset(h + 148, ' ', 8);
    h[156] = type;
    if (link)
        snprintf(h + 157, 100, "%s", to);
    memcpy(h + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    if (size > 0)
        memcpy(h + 512, to, size);
    l->n += 512 + (size + 511) / 512 * 512;
}

static inline void image_write(const char *folder, const char *name, const void *p, size_t n)
{
    char path[4096];
    struct mlo_err err = MLO_ERR_INIT;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    image_must(fd >= 0 && mlo_write_all(fd, p, n, &err) == 0, path);
    close(fd);
}

/* A blob of the layout, and its descriptor in text. */
static inline void image_blob(const char *layout, const char *media, const void *p, size_t n, char *text,
                              size_t size)
{
    struct mlo_digest d;
    struct mlo_err err = MLO_ERR_INIT;
    char digest[MLO_DIGEST_TEXT], name[MLO_DIGEST_TEXT + 16];
    image_must(mlo_sha256(p, n, &d, &err) == 0, "no digest");
    mlo_digest_text(&d, digest);
    snprintf(name, sizeof name, "blobs/sha256/%s", strchr(digest, ':') + 1);
    image_write(layout, name, p, n);
    snprintf(text, size, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", media, digest, n);
}

/* A layout of one image; the folder is made. config: its JSON. */
static inline void image_make(const char *layout, const char *config, const struct layer *layers, size_t n)
{
    char path[4096], one[512], text[4096];
    mkdir(layout, 0700);
    snprintf(path, sizeof path, "%s/blobs", layout);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/blobs/sha256", layout);
    mkdir(path, 0700);
    image_blob(layout, "application/vnd.oci.image.config.v1+json", config, strlen(config), one, sizeof one);
    int at = snprintf(text, sizeof text, "{\"schemaVersion\":2,\"config\":%s,\"layers\":[", one);
    for (size_t i = 0; i < n; i++) {
        image_blob(layout, "application/vnd.oci.image.layer.v1.tar", layers[i].p, layers[i].n, one,
                   sizeof one);
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%s", i > 0 ? "," : "", one);
    }
    at += snprintf(text + at, sizeof text - (size_t)at, "]}");
    image_blob(layout, "application/vnd.oci.image.manifest.v1+json", text, (size_t)at, one, sizeof one);
    at = snprintf(text, sizeof text, "{\"schemaVersion\":2,\"manifests\":[%s]}", one);
    image_write(layout, "index.json", text, (size_t)at);
    image_write(layout, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", 30);
}

#endif
