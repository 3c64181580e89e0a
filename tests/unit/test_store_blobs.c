/* Adding, finding, reading, verifying, repairing blobs; gc; index.json. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mlopsctl/store.h>

#include "tap.h"

static char home[4096], tmp[4200];
static struct mlo_err err;

static char *in_home(const char *rest)
{
    static char path[4400];
    snprintf(path, sizeof path, "%s/%s", home, rest);
    return path;
}

static char *blob_path(const struct mlo_digest *d)
{
    char hex[MLO_DIGEST_HEX + 1], rest[128];
    snprintf(rest, sizeof rest, "store/blobs/sha256/%s", mlo_digest_hex(d, hex));
    return in_home(rest);
}

/* A store of its own for each test. */
static struct mlo_store *fresh(void)
{
    static int serial;
    struct mlo_store *s = NULL;
    snprintf(home, sizeof home, "%s/home%d", tap_tmpdir(), serial++);
    snprintf(tmp, sizeof tmp, "%s/tmp", home);
    check_ok(mlo_store_open(home, true, &s, &err), &err);
    check(mkdir(tmp, 0700) == 0);
    mlo_store_set_tmp(s, tmp);
    return s;
}

static struct mlo_digest put(struct mlo_store *s, const char *text)
{
    struct mlo_digest d = {{0}};
    check_ok(mlo_store_put(s, text, strlen(text), &d, &err), &err);
    return d;
}

static int count_files(const char *folder)
{
    char command[4500];
    int n = -1;
    snprintf(command, sizeof command, "find '%s' -type f | wc -l", folder);
    FILE *p = popen(command, "r");
    if (!p)
        return -1;
    if (fscanf(p, "%d", &n) != 1)
        n = -1;
    pclose(p);
    return n;
}

/* Write over a blob behind the store's back. */
static void overwrite(const struct mlo_digest *d, const char *text)
{
    const char *path = blob_path(d);
    check(chmod(path, 0644) == 0);
    FILE *f = fopen(path, "w");
    check(f && fputs(text, f) >= 0);
    if (f)
        fclose(f);
}

static void a_new_store_is_an_image_layout(void)
{
    struct mlo_store *s = fresh();
    char *text = NULL;
    size_t n;
    struct stat st;
    check_ok(mlo_slurp_at(AT_FDCWD, in_home("store/oci-layout"), 100, &text, &n, &err), &err);
    check_str(text, "{\"imageLayoutVersion\":\"1.0.0\"}");
    free(text);
    text = NULL;
    check_ok(mlo_slurp_at(AT_FDCWD, in_home("store/index.json"), 1000, &text, &n, &err), &err);
    check_str(
        text,
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}");
    free(text);
    check(stat(home, &st) == 0 && (st.st_mode & 0777) == 0700, "mode %o", st.st_mode);
    check(stat(in_home("store/blobs/sha256"), &st) == 0 && (st.st_mode & 0777) == 0755, "mode %o",
          st.st_mode);
    mlo_store_close(s);
}

static void opening_without_create_makes_nothing(void)
{
    struct mlo_store *s = NULL;
    char none[4200];
    snprintf(none, sizeof none, "%s/none", tap_tmpdir());
    check_err(mlo_store_open(none, false, &s, &err), MLO_ENOTFOUND, &err, "no store in");
    check(access(none, F_OK) < 0);
}

static void opening_again_keeps_index_and_blobs(void)
{
    struct mlo_store *s = fresh(), *again = NULL;
    struct mlo_digest d = put(s, "kept");
    struct mlo_index_entry e = {.ref = "a:1", .digest = d, .size = 4};
    struct stat before, after;
    check_ok(mlo_store_write_index(s, &e, 1, &err), &err);
    check(stat(in_home("store/index.json"), &before) == 0);
    check_ok(mlo_store_open(home, true, &again, &err), &err);
    check(stat(in_home("store/index.json"), &after) == 0 && before.st_ino == after.st_ino);
    check(mlo_store_has(again, &d, NULL));
    mlo_store_close(again);
    mlo_store_close(s);
}

static void a_layout_of_another_version_is_refused(void)
{
    struct mlo_store *s = fresh(), *again = NULL;
    mlo_store_close(s);
    const char *later = "{\"imageLayoutVersion\":\"2.0.0\"}";
    check_ok(mlo_write_file_at(AT_FDCWD, in_home("store/oci-layout"), later, strlen(later), 0644, &err),
             &err);
    check_err(mlo_store_open(home, true, &again, &err), MLO_EUNAVAIL, &err, "version 1");
}

static void what_is_put_is_read_back(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest d = put(s, "hello");
    char hex[MLO_DIGEST_HEX + 1], *text = NULL;
    size_t n = 0;
    uint64_t size = 0;
    struct stat st;
    check_str(mlo_digest_hex(&d, hex), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    check(mlo_store_has(s, &d, &size) && size == 5);
    check_ok(mlo_store_read(s, &d, 5, &text, &n, &err), &err);
    check_str(text, "hello");
    check_int(n, 5);
    free(text);
    text = NULL;
    check_err(mlo_store_read(s, &d, 4, &text, &n, &err), MLO_EINVALID, &err, "more than the 4");
    check(text == NULL);
    check_ok(mlo_store_verify_blob(s, &d, &err), &err);
    check(stat(blob_path(&d), &st) == 0 && (st.st_mode & 07777) == 0444, "mode %o", st.st_mode);
    mlo_store_close(s);
}

static void the_empty_blob_is_a_blob(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest d = put(s, "");
    char *text = NULL;
    size_t n = 1;
    check_ok(mlo_store_read(s, &d, 0, &text, &n, &err), &err);
    check_str(text, "");
    check_int(n, 0);
    free(text);
    check_ok(mlo_store_verify_blob(s, &d, &err), &err);
    mlo_store_close(s);
}

static void the_same_bytes_are_stored_once(void)
{
    struct mlo_store *s = fresh();
    struct stat a, b;
    struct mlo_digest d = put(s, "twice");
    check(stat(blob_path(&d), &a) == 0);
    struct mlo_digest e = put(s, "twice");
    check(mlo_digest_eq(&d, &e));
    check(stat(blob_path(&d), &b) == 0 && a.st_ino == b.st_ino, "the first file stays");
    check_int(count_files(in_home("store/blobs")), 1);
    check_int(count_files(tmp), 0);
    mlo_store_close(s);
}

static void a_missing_blob_is_not_found(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest d = {{7}};
    char *text;
    size_t n;
    int fd;
    check(!mlo_store_has(s, &d, NULL));
    check_err(mlo_store_read(s, &d, 10, &text, &n, &err), MLO_ENOTFOUND, &err, "sha256:0700");
    check_err(mlo_store_verify_blob(s, &d, &err), MLO_ENOTFOUND, &err, NULL);
    check_err(mlo_store_open_blob(s, &d, &fd, NULL, &err), MLO_ENOTFOUND, &err, NULL);
    mlo_store_close(s);
}

static void a_damaged_blob_is_found_quarantined_and_repaired(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest d = put(s, "precious");
    char *text = NULL, hex[MLO_DIGEST_HEX + 1], damaged[128];
    size_t n;
    overwrite(&d, "prec1ous");
    check_err(mlo_store_read(s, &d, 100, &text, &n, &err), MLO_EINVALID, &err, "damaged");
    check_err(mlo_store_verify_blob(s, &d, &err), MLO_EINVALID, &err, "damaged");
    check(strstr(err.hint, "--repair"), "%s", err.hint);

    check_ok(mlo_store_quarantine(s, &d, &err), &err);
    snprintf(damaged, sizeof damaged, "store/damaged/%s", mlo_digest_hex(&d, hex));
    check(access(in_home(damaged), F_OK) == 0);
    check(!mlo_store_has(s, &d, NULL));
    check_err(mlo_store_quarantine(s, &d, &err), MLO_ENOTFOUND, &err, NULL);

    FILE *good = tmpfile();
    check(good && fputs("precious", good) >= 0 && fflush(good) == 0);
    check_ok(mlo_store_repair(s, &d, fileno(good), &err), &err);
    check_ok(mlo_store_verify_blob(s, &d, &err), &err);
    fclose(good);
    mlo_store_close(s);
}

static void repair_replaces_bytes_of_the_same_size_and_takes_no_wrong_ones(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest d = put(s, "precious");
    overwrite(&d, "prec1ous");
    FILE *f = tmpfile();
    check(f && fputs("wrong", f) >= 0 && fflush(f) == 0);
    check_err(mlo_store_repair(s, &d, fileno(f), &err), MLO_EINVALID, &err, "replacement");
    check_err(mlo_store_verify_blob(s, &d, &err), MLO_EINVALID, &err, NULL);
    check(freopen(NULL, "w+", f) && ftruncate(fileno(f), 0) == 0 && fputs("precious", f) >= 0 &&
          fflush(f) == 0);
    check_ok(mlo_store_repair(s, &d, fileno(f), &err), &err);
    check_ok(mlo_store_verify_blob(s, &d, &err), &err);
    check_int(count_files(tmp), 0);
    fclose(f);
    mlo_store_close(s);
}

static void a_truncated_blob_is_replaced_by_the_next_put(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest d = put(s, "torn by a crash");
    overwrite(&d, "torn");
    put(s, "torn by a crash");
    check_ok(mlo_store_verify_blob(s, &d, &err), &err);
    mlo_store_close(s);
}

static void a_link_or_folder_in_place_of_a_blob_is_no_blob(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest d = put(s, "target"), link = {{1}}, folder = {{2}};
    char target[4400];
    int fd;
    snprintf(target, sizeof target, "%s", blob_path(&d));
    check(symlink(target, blob_path(&link)) == 0);
    check(mkdir(blob_path(&folder), 0755) == 0);
    check(!mlo_store_has(s, &link, NULL) && !mlo_store_has(s, &folder, NULL));
    check_err(mlo_store_open_blob(s, &link, &fd, NULL, &err), MLO_EINVALID, &err, "symbolic link");
    check_err(mlo_store_open_blob(s, &folder, &fd, NULL, &err), MLO_EINVALID, &err, "regular");
    mlo_store_close(s);
}

static void a_stream_becomes_a_blob(void)
{
    struct mlo_store *s = fresh();
    struct mlo_blob_writer *w = NULL;
    struct mlo_digest d, want;
    uint64_t size = 0;
    check_ok(mlo_sha256("one two", 7, &want, &err), &err);
    check_ok(mlo_blob_begin(s, &w, &err), &err);
    check_ok(mlo_blob_write(w, "one", 3, &err), &err);
    check_ok(mlo_blob_write(w, "", 0, &err), &err);
    check_ok(mlo_blob_write(w, " two", 4, &err), &err);
    check(!mlo_store_has(s, &want, NULL), "no name before commit");
    check_ok(mlo_blob_commit(w, &want, &d, &size, &err), &err);
    check(mlo_digest_eq(&d, &want) && size == 7);
    check_ok(mlo_store_verify_blob(s, &d, &err), &err);
    mlo_store_close(s);
}

static void a_stream_that_is_not_what_was_announced_leaves_nothing(void)
{
    struct mlo_store *s = fresh();
    struct mlo_blob_writer *w = NULL;
    struct mlo_digest d = {{9}}, want = {{1}};
    check_ok(mlo_blob_begin(s, &w, &err), &err);
    check_ok(mlo_blob_write(w, "bytes", 5, &err), &err);
    check_err(mlo_blob_commit(w, &want, &d, NULL, &err), MLO_EINVALID, &err, "expected blob sha256:0100");
    check(d.b[0] == 9, "output untouched");
    check_ok(mlo_blob_begin(s, &w, &err), &err);
    check_ok(mlo_blob_write(w, "bytes", 5, &err), &err);
    mlo_blob_abort(w);
    check_int(count_files(tmp), 0);
    check_int(count_files(in_home("store/blobs")), 0);
    mlo_store_close(s);
}

static void writing_without_a_folder_for_temporaries_is_a_bug(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest d;
    mlo_store_set_tmp(s, NULL);
    check_err(mlo_store_put(s, "x", 1, &d, &err), MLO_EINTERNAL, &err, "temporaries");
    mlo_store_close(s);
}

/* RLIMIT_FSIZE makes write fail as a full disk does; ingest's threads must give up too. */
static void a_write_that_fails_leaves_no_blob_and_no_temporary(void)
{
    struct mlo_store *s = fresh();
    pid_t pid = fork();
    if (pid == 0) {
        static char big[200000];
        struct rlimit limit = {100000, 100000};
        struct mlo_digest d;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(mlo_store_put(s, big, sizeof big, &d, &err) == MLO_EIO ? 0 : 1);
    }
    int status = -1;
    check(waitpid(pid, &status, 0) == pid && status == 0, "status %x", status);
    check_int(count_files(tmp), 0);
    check_int(count_files(in_home("store/blobs")), 0);
    mlo_store_close(s);
}

/* ---- many processes ---- */

static void four_processes_may_put_the_same_blobs(void)
{
    struct mlo_store *s = fresh();
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            struct mlo_store *mine;
            struct mlo_digest d;
            char text[32];
            if (mlo_store_open(home, true, &mine, &err) < 0)
                _exit(1);
            mlo_store_set_tmp(mine, tmp);
            for (int k = 0; k < 50; k++) {
                int n = snprintf(text, sizeof text, "shared %d", k);
                if (mlo_store_put(mine, text, (size_t)n, &d, &err) < 0 ||
                    mlo_store_verify_blob(mine, &d, &err) < 0)
                    _exit(2);
            }
            mlo_store_close(mine);
            _exit(0);
        }
    for (int i = 0; i < 4; i++) {
        int status = -1;
        check(wait(&status) > 0 && status == 0, "status %x", status);
    }
    check_int(count_files(in_home("store/blobs")), 50);
    check_int(count_files(tmp), 0);
    mlo_store_close(s);
}

static void gc_waits_for_writers_and_writers_for_gc(void)
{
    struct mlo_store *a = fresh(), *b = NULL;
    check_ok(mlo_store_open(home, false, &b, &err), &err);
    check_ok(mlo_store_lock(a, false, 0, &err), &err);
    check_ok(mlo_store_lock(b, false, 0, &err), &err);
    check_err(mlo_store_lock(b, true, 0, &err), MLO_ECONFLICT, &err, "in use by another command");
    mlo_store_unlock(a);
    check_ok(mlo_store_lock(b, true, 0, &err), &err);
    check_err(mlo_store_lock(a, false, 0, &err), MLO_ECONFLICT, &err, "in use by gc");
    mlo_store_close(b);
    check_ok(mlo_store_lock(a, false, 0, &err), &err);
    mlo_store_close(a);
}

/* ---- listing and gc ---- */

static int count_blob(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *e)
{
    (void)d, (void)e;
    *(uint64_t *)ctx += 1000 + size;
    return 0;
}

static int stop_at_first(void *ctx, const struct mlo_digest *d, uint64_t size, struct mlo_err *e)
{
    (void)ctx, (void)d, (void)size;
    return mlo_fail(e, MLO_NO, "enough");
}

static void each_lists_blobs_and_skips_the_rest(void)
{
    struct mlo_store *s = fresh();
    uint64_t sum = 0;
    put(s, "a");
    put(s, "bb");
    check_ok(mlo_write_file_at(AT_FDCWD, in_home("store/blobs/sha256/oci-put-blob1"), "x", 1, 0644, &err),
             &err);
    check_ok(mlo_store_each(s, count_blob, &sum, &err), &err);
    check_int(sum, 2003);
    check_err(mlo_store_each(s, stop_at_first, NULL, &err), MLO_NO, &err, "enough");
    mlo_store_close(s);
}

static void gc_removes_what_is_not_live_and_only_that(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest_set live = {0};
    struct mlo_gc_stats stats;
    struct mlo_digest keep = put(s, "keep"), drop = put(s, "garbage");
    check_ok(mlo_digest_set_add(&live, &keep, NULL, &err), &err);
    check_err(mlo_store_gc(s, &live, false, &stats, &err), MLO_EINTERNAL, &err, "exclusive");
    check_ok(mlo_store_gc(s, &live, true, &stats, &err), &err);
    check(stats.kept == 1 && stats.kept_bytes == 4 && stats.removed == 1 && stats.removed_bytes == 7);
    check(mlo_store_has(s, &drop, NULL), "a dry run removes nothing");
    check_ok(mlo_store_lock(s, true, 0, &err), &err);
    check_ok(mlo_store_gc(s, &live, false, &stats, &err), &err);
    check(stats.kept == 1 && stats.removed == 1);
    check(mlo_store_has(s, &keep, NULL) && !mlo_store_has(s, &drop, NULL));
    check_ok(mlo_store_gc(s, &live, false, &stats, &err), &err);
    check_int(stats.removed, 0);
    mlo_digest_set_release(&live);
    mlo_store_close(s);
}

static void touch(const char *path, time_t age)
{
    FILE *f = fopen(path, "w");
    check(f != NULL);
    if (f)
        fclose(f);
    struct timespec t[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
    check(utimensat(AT_FDCWD, path, t, 0) == 0);
}

static void gc_sweeps_old_temporaries_and_leaves_young_ones(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest_set live = {0};
    struct mlo_gc_stats stats;
    check(mkdir(in_home("cache"), 0700) == 0 && mkdir(in_home("cache/kind"), 0700) == 0);
    touch(in_home("store/" MLO_TMP_PREFIX "old"), 48 * 3600);
    touch(in_home("store/" MLO_TMP_PREFIX "young"), 60);
    touch(in_home("cache/" MLO_TMP_PREFIX "old"), 48 * 3600);
    touch(in_home("cache/kind/" MLO_TMP_PREFIX "old"), 48 * 3600);
    touch(in_home("cache/kind/entry"), 48 * 3600);
    check_ok(mlo_store_lock(s, true, 0, &err), &err);
    check_ok(mlo_store_gc(s, &live, false, &stats, &err), &err);
    check(access(in_home("store/" MLO_TMP_PREFIX "old"), F_OK) < 0);
    check(access(in_home("store/" MLO_TMP_PREFIX "young"), F_OK) == 0);
    check(access(in_home("cache/" MLO_TMP_PREFIX "old"), F_OK) < 0);
    check(access(in_home("cache/kind/" MLO_TMP_PREFIX "old"), F_OK) < 0);
    check(access(in_home("cache/kind/entry"), F_OK) == 0);
    check(access(in_home("store/index.json"), F_OK) == 0);
    mlo_store_close(s);
}

static void gc_drops_damaged_copies_that_have_been_repaired(void)
{
    struct mlo_store *s = fresh();
    struct mlo_digest_set live = {0};
    struct mlo_gc_stats stats;
    struct mlo_digest repaired = put(s, "repaired"), lost = put(s, "lost");
    check_ok(mlo_digest_set_add(&live, &repaired, NULL, &err), &err);
    check_ok(mlo_digest_set_add(&live, &lost, NULL, &err), &err);
    check_ok(mlo_store_quarantine(s, &repaired, &err), &err);
    check_ok(mlo_store_quarantine(s, &lost, &err), &err);
    put(s, "repaired");
    check_ok(mlo_store_lock(s, true, 0, &err), &err);
    check_ok(mlo_store_gc(s, &live, false, &stats, &err), &err);
    check_int(count_files(in_home("store/damaged")), 1);
    mlo_digest_set_release(&live);
    mlo_store_close(s);
}

/* ---- batches ---- */

static void blobs_of_a_batch_are_there_at_once(void)
{
    struct mlo_store *s = fresh();
    mlo_store_begin_batch(s);
    struct mlo_digest d = put(s, "in a batch");
    check_ok(mlo_store_verify_blob(s, &d, &err), &err);
    check_ok(mlo_store_commit_batch(s, &err), &err);
    check_ok(mlo_store_commit_batch(s, &err), &err);
    mlo_store_close(s);
}

/* ---- index.json ---- */

static void check_index(const char *want)
{
    char *text = NULL;
    size_t n;
    check_ok(mlo_slurp_at(AT_FDCWD, in_home("store/index.json"), 10000, &text, &n, &err), &err);
    check_str(text, want);
    free(text);
}

static void index_json_is_the_worked_example_byte_for_byte(void)
{
    struct mlo_store *s = fresh();
    struct mlo_index_entry e = {
        .ref = "v1", .size = 521, .artifact_type = "application/vnd.cncf.model.manifest.v1+json"};
    struct mlo_digest d;
    char *text = NULL, hex[MLO_DIGEST_HEX + 1];
    size_t n = 0;
    check_ok(mlo_digest_parse("sha256:c6bb9b4270ade1ef9cdf9260044225c9e126ad4f6ff97a463ce911b332063b39",
                              &e.digest, &err),
             &err);
    check_ok(mlo_store_write_index(s, &e, 1, &err), &err);
    check_ok(mlo_slurp_at(AT_FDCWD, in_home("store/index.json"), 10000, &text, &n, &err), &err);
    check_int(n, 358);
    check_ok(mlo_sha256(text, n, &d, &err), &err);
    check_str(mlo_digest_hex(&d, hex), "26ae91c1f28f7153f945b56942fde411ff1fb141675b455232294eaa6b80cf1f");
    free(text);
    mlo_store_close(s);
}

static void index_entries_are_sorted_whatever_the_order_given(void)
{
    struct mlo_store *s = fresh();
    struct mlo_index_entry e[2] = {{.ref = "team/b:2", .size = 2}, {.ref = "a:1.0+x", .size = 1}};
    check_ok(mlo_store_write_index(s, e, 2, &err), &err);
#define ENTRY(size, ref)                                                                                     \
    "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:"                     \
    "0000000000000000000000000000000000000000000000000000000000000000\",\"size\":" size                      \
    ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" ref "\"}}"
    check_index("{\"schemaVersion\":2,\"mediaType\":\"application/"
                "vnd.oci.image.index.v1+json\",\"manifests\":[" ENTRY("1", "a:1.0+x") "," ENTRY(
                    "2", "team/b:2") "]}");
    mlo_store_close(s);
}

static void bad_or_repeated_names_do_not_reach_the_index(void)
{
    struct mlo_store *s = fresh();
    static const char *const bad[] = {
        "", "a b", "a//b", "/a", "a/", "a:", ":a", "a---b", "a._b", "a\nb", "a\xc3\xa9"};
    struct mlo_index_entry twice[2] = {{.ref = "a:1"}, {.ref = "a:1"}}, good = {.ref = "a--b.c_d/e:f@g+h"};
    for (size_t i = 0; i < MLO_COUNT(bad); i++) {
        struct mlo_index_entry e = {.ref = bad[i]};
        check_err(mlo_store_write_index(s, &e, 1, &err), MLO_EINVALID, &err, "cannot be a name");
    }
    check_err(mlo_store_write_index(s, twice, 2, &err), MLO_EINVALID, &err, "twice");
    check_index(
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}");
    check_ok(mlo_store_write_index(s, &good, 1, &err), &err);
    mlo_store_close(s);
}

/* ---- memory ---- */

static int use_everything(void)
{
    struct mlo_err e = MLO_ERR_INIT;
    struct mlo_store *s = NULL;
    struct mlo_digest d;
    struct mlo_blob_writer *w = NULL;
    struct mlo_index_entry entry = {.ref = "a:1"};
    char *text = NULL;
    size_t n;
    int rc = mlo_store_open(home, true, &s, &e);
    if (rc < 0)
        return rc;
    mlo_store_set_tmp(s, tmp);
    rc = mlo_store_put(s, "memory", 6, &d, &e);
    if (rc == 0)
        rc = mlo_store_read(s, &d, 6, &text, &n, &e);
    free(text);
    if (rc == 0)
        rc = mlo_blob_begin(s, &w, &e);
    if (rc == 0) {
        rc = mlo_blob_write(w, "stream", 6, &e);
        int end = mlo_blob_commit(w, NULL, NULL, NULL, &e);
        rc = rc == 0 ? end : rc;
    }
    if (rc == 0)
        rc = mlo_store_verify_blob(s, &d, &e);
    if (rc == 0)
        rc = mlo_store_write_index(s, &entry, 1, &e);
    mlo_store_close(s);
    return rc;
}

static void memory_failures_are_errors_and_leave_no_temporary(void)
{
    mlo_store_close(fresh());
    check(each_alloc_failure(use_everything) > 10);
    check_int(count_files(tmp), 0);
}

int main(void)
{
    run(a_new_store_is_an_image_layout);
    run(opening_without_create_makes_nothing);
    run(opening_again_keeps_index_and_blobs);
    run(a_layout_of_another_version_is_refused);
    run(what_is_put_is_read_back);
    run(the_empty_blob_is_a_blob);
    run(the_same_bytes_are_stored_once);
    run(a_missing_blob_is_not_found);
    run(a_damaged_blob_is_found_quarantined_and_repaired);
    run(repair_replaces_bytes_of_the_same_size_and_takes_no_wrong_ones);
    run(a_truncated_blob_is_replaced_by_the_next_put);
    run(a_link_or_folder_in_place_of_a_blob_is_no_blob);
    run(a_stream_becomes_a_blob);
    run(a_stream_that_is_not_what_was_announced_leaves_nothing);
    run(writing_without_a_folder_for_temporaries_is_a_bug);
    run(a_write_that_fails_leaves_no_blob_and_no_temporary);
    run(four_processes_may_put_the_same_blobs);
    run(gc_waits_for_writers_and_writers_for_gc);
    run(each_lists_blobs_and_skips_the_rest);
    run(gc_removes_what_is_not_live_and_only_that);
    run(gc_sweeps_old_temporaries_and_leaves_young_ones);
    run(gc_drops_damaged_copies_that_have_been_repaired);
    run(blobs_of_a_batch_are_there_at_once);
    run(index_json_is_the_worked_example_byte_for_byte);
    run(index_entries_are_sorted_whatever_the_order_given);
    run(bad_or_repeated_names_do_not_reach_the_index);
    run(memory_failures_are_errors_and_leave_no_temporary);
    return done_testing();
}
