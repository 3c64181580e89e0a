/*
 * Runs a fuzz target over files and folders, for compilers without a fuzzer and for the corpus as a
 * regression test: `fuzz_json tests/fuzz/corpus/json`. Every input is an allocation of exactly its size, so
 * that AddressSanitizer sees a read past its end. TAP; a run without inputs is a failure.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OPEN_FOLDERS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t n_inputs, n_unread;

static int replay(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type == FTW_D)
        return 0;
    size_t n = (size_t)st->st_size, done = 0;
    int fd = type == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    uint8_t *data = malloc(n ? n : 1);
    if (fd >= 0 && data)
        for (ssize_t got; done < n && (got = read(fd, data + done, n - done)) > 0;)
            done += (size_t)got;
    if (fd < 0 || done < n) {
        printf("# cannot read %s\n", path);
        n_unread++;
    } else {
        LLVMFuzzerTestOneInput(data, n);
        n_inputs++;
    }
    if (fd >= 0)
        close(fd);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (nftw(argv[i], replay, OPEN_FOLDERS, FTW_PHYS) != 0) {
            printf("# cannot walk %s\n", argv[i]);
            n_unread++;
        }
    bool ok = n_inputs > 0 && n_unread == 0;
    printf("%s 1 - replayed %zu inputs\n1..1\n", ok ? "ok" : "not ok", n_inputs);
    return !ok;
}
