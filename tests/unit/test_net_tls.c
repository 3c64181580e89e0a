/*
 * Certificates: believed when the CA file says so, refused when they are for another name, of another
 * authority or out of date. The authority and its certificates are made by openssl here, the server is
 * tests/tools/tls-server.py.
 */
#include "net_help.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[4096], ca[4200];

static bool have_tools(void)
{
    return system("command -v openssl >/dev/null && command -v python3 >/dev/null") == 0;
}

/* ca.pem, and good.pem for localhost, old.pem that has expired; other.pem is an authority that signed
 * nothing. */
static bool make_certificates(void)
{
    snprintf(folder, sizeof folder, "%s", tap_tmpdir());
    snprintf(ca, sizeof ca, "%s/ca.pem", folder);
    char command[8192];
    snprintf(command, sizeof command,
             "exec >/dev/null 2>&1; cd %s && "
             "new() { n=$1; shift; openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-keyout $n.key -subj /CN=$n \"$@\"; } && "
             "new ca -x509 -days 30 -out ca.pem && new other -x509 -days 30 -out other.pem && "
             "printf 'subjectAltName=DNS:localhost\\n' >ext && "
             "new good -out good.csr && openssl x509 -req -in good.csr -CA ca.pem -CAkey ca.key "
             "-CAcreateserial -days 30 -extfile ext -out good.pem && "
             "new old -out old.csr && openssl x509 -req -in old.csr -CA ca.pem -CAkey ca.key "
             "-CAcreateserial -days -1 -extfile ext -out old.pem",
             folder);
    return system(command) == 0;
}

struct tls_server {
    pid_t pid;
    int port;
};

static struct tls_server serve(const char *name)
{
    struct tls_server s = {0};
    char line[32] = "", script[] = "tests/tools/tls-server.py", certificate[4200], key[4200];
    int ends[2];
    snprintf(certificate, sizeof certificate, "%s/%s.pem", folder, name);
    snprintf(key, sizeof key, "%s/%s.key", folder, name);
    check(pipe(ends) == 0);
    s.pid = fork();
    if (s.pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execlp("python3", "python3", script, certificate, key, NULL);
        _exit(127);
    }
    close(ends[1]);
    check(read(ends[0], line, sizeof line - 1) > 0);
    close(ends[0]);
    s.port = atoi(line);
    return s;
}

static void end(struct tls_server s)
{
    kill(s.pid, SIGKILL);
    waitpid(s.pid, NULL, 0);
}

static int ask(const char *ca_file, const char *host, int port, struct mlo_http_response *res,
               struct mlo_err *err)
{
    char url[128];
    struct mlo_http *h = NULL;
    struct mlo_http_opts opts = {.ca_file = ca_file, .backoff_ns = MLO_NS_PER_S / 1000};
    struct mlo_http_request req = {
        .method = "GET", .url = url, .flags = MLO_HTTP_REPEATABLE, .max_body = 3000000};
    *res = (struct mlo_http_response){0};
    snprintf(url, sizeof url, "https://%s:%d/3000000", host, port);
    if (mlo_http_new(&opts, &h, err))
        return err->code;
    int rc = mlo_http_do(h, &req, res, err);
    mlo_http_free(h);
    return rc;
}

static void believed_by_the_ca_file(void)
{
    struct tls_server s = serve("good");
    struct mlo_http_response res;
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(ask(ca, "localhost", s.port, &res, &err), &err);
    check_int(res.n, 3000000);
    bool same = true;
    for (size_t i = 0; i < res.n; i++)
        same &= (unsigned char)res.body[i] == i % (251 * 256) % 251;
    check(same);
    mlo_http_response_release(&res);
    end(s);
}

static void refused(const char *certificate, const char *ca_file, const char *host, const char *hint)
{
    struct tls_server s = serve(certificate);
    struct mlo_http_response res;
    struct mlo_err err = MLO_ERR_INIT;
    check_err(ask(ca_file, host, s.port, &res, &err), MLO_EREMOTE, &err, "certificate");
    check(strstr(err.msg, host) && strstr(err.hint, hint), "%s (%s)", err.msg, err.hint);
    check_int(res.attempts, 1);
    check(!res.unclear);
    end(s);
}

static void refused_without_the_ca_file(void)
{
    refused("good", NULL, "localhost", "CA file");
}

static void refused_for_another_authority(void)
{
    char other[4200];
    snprintf(other, sizeof other, "%s/other.pem", folder);
    refused("good", other, "localhost", "CA file");
}

static void refused_for_another_name(void)
{
    refused("good", ca, "127.0.0.1", "another name");
}

static void refused_when_out_of_date(void)
{
    refused("old", ca, "localhost", "clock");
}

static void a_plain_server_is_no_tls_server(void)
{
    struct net_test n = net_begin(net_play, &(struct net_script){{"CUT HTTP/1.1 400 Plain\r\n\r\n"}});
    struct mlo_http_response res;
    struct mlo_err err = MLO_ERR_INIT;
    n.server->raw = true;
    check_err(ask(ca, "localhost", n.server->port, &res, &err), MLO_EREMOTE, &err, "TLS");
    net_end(&n);
}

static void ca_files_that_are_none(void)
{
    struct mlo_http_response res;
    struct mlo_err err = MLO_ERR_INIT;
    char path[4200];
    check_err(ask("/nonexistent/ca.pem", "localhost", 1, &res, &err), MLO_ENOTFOUND, &err, "CA file");
    snprintf(path, sizeof path, "%s/good.key", folder);
    check_err(ask(path, "localhost", 1, &res, &err), MLO_EINVALID, &err, "holds no certificate");
}

int main(void)
{
    if (!have_tools()) {
        printf("1..0 # SKIP openssl and python3 are needed\n");
        return 0;
    }
    if (!make_certificates()) {
        printf("Bail out! openssl made no certificates\n");
        return 1;
    }
    run(believed_by_the_ca_file);
    run(refused_without_the_ca_file);
    run(refused_for_another_authority);
    run(refused_for_another_name);
    run(refused_when_out_of_date);
    run(a_plain_server_is_no_tls_server);
    run(ca_files_that_are_none);
    return done_testing();
}
