/*
 * What it costs to ask a target that does nothing: the floor of what `bench` can measure of programs and
 * servers.
 *
 *     target-bench engine                 a function in this process
 *     target-bench command LINE           a program (this one speaks the line protocol: target-bench answer)
 *     target-bench url                    a server in this process, which answers as soon as it has read
 *     target-bench command LINE MODEL ROWS    with the inputs of a model, for half a second
 *     target-bench slow PERCENT COMMAND...    a wrapper: the same program, by so much slower
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/bench.h>

extern char **environ;

/* ---- targets ---- */

static int answer(void)
{
    char line[64];
    ssize_t n;
    while ((n = read(STDIN_FILENO, line, sizeof line)) > 0 && !memchr(line, '\n', (size_t)n))
        continue;
    if (write(STDOUT_FILENO, "mlopsctl-bench 1\n", 17) != 17)
        return 1;
    while ((n = read(STDIN_FILENO, line, sizeof line)) > 4) {
        memcpy(line + 1, "ok", 2); /* "run 5" becomes "ok 5" */
        if (write(STDOUT_FILENO, line + 1, (size_t)n - 1) != n - 1)
            return 1;
    }
    return 0;
}

/* ---- a wrapper that makes what it wraps slower ---- */

static void burn(int64_t ns)
{
    for (int64_t until = mlo_time_mono() + ns; mlo_time_mono() < until;)
        continue;
}

/* "ok 5 1200" becomes "ok 5 1320", so much later. */
static void slow_down(char *line, size_t size, double share)
{
    unsigned long long request;
    long long took;
    if (sscanf(line, "ok %llu %lld", &request, &took) != 2)
        return;
    int64_t more = (int64_t)((double)took * share);
    burn(more);
    snprintf(line, size, "ok %llu %lld\n", request, (long long)(took + more));
}

static int relay(FILE *to, FILE *from, double share)
{
    char *line = NULL, answer[8192];
    size_t size = 0;
    ssize_t n;
    while ((n = getline(&line, &size, stdin)) > 0) {
        if (fwrite(line, 1, (size_t)n, to) != (size_t)n || fflush(to) || !fgets(answer, sizeof answer, from))
            break;
        slow_down(answer, sizeof answer, share);
        if (fputs(answer, stdout) == EOF || fflush(stdout))
            break;
    }
    free(line);
    return 0;
}

static int slow(const char *percent, char **argv)
{
    int in[2], out[2], status = 0;
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
        return 1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    FILE *to = fdopen(in[1], "w"), *from = fdopen(out[0], "r");
    relay(to, from, atof(percent) / 100);
    fclose(to);
    fclose(from);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* One request a read: they are small and come over the loopback. */
static void *serve(void *arg)
{
    static const char good[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
        "{\"outputs\":[1]}";
    int listener = *(int *)arg, on = 1;
    char request[65536];
    int fd = accept(listener, NULL, NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    size_t n = 0;
    ssize_t more;
    while ((more = read(fd, request + n, sizeof request - 1 - n)) > 0) {
        n += (size_t)more;
        request[n] = '\0';
        char *body = strstr(request, "\r\n\r\n");
        if (!body || !strchr(body, '}'))
            continue;
        n = 0;
        if (write(fd, good, sizeof good - 1) < 0)
            break;
    }
    close(fd);
    return NULL;
}

static int join(struct mlo_target *t, void **ret, struct mlo_err *err)
{
    (void)err;
    *ret = t;
    return 0;
}

static int call(void *caller, uint64_t request, struct mlo_err *err)
{
    (void)caller, (void)request, (void)err;
    __asm__ volatile("" ::: "memory");
    return 0;
}

static void leave(void *caller)
{
    (void)caller;
}

/* ---- measuring ---- */

static int measure(struct mlo_target *t, double seconds, struct mlo_err *err)
{
    const struct mlo_load load = {.callers = 1};
    const struct mlo_measure_opts how = {.seconds = seconds, .warmup = 2};
    struct mlo_runner *r = NULL;
    struct mlo_measured m = {0};
    struct mlo_timer timer;
    int rc = mlo_runner_new(t, &load, &r, err);
    if (rc == 0)
        rc = mlo_measure(r, &load, &how, &m, err);
    mlo_timer_measure(NULL, &timer);
    if (rc == 0)
        printf("%s: p50 %.2f us, p99 %.2f us, %llu requests, %llu failures, %u a timing; "
               "reading the clock %.0f ns\n",
               t->kind, (double)mlo_times_quantile(&m.times, 0.5) / 1e3,
               (double)mlo_times_quantile(&m.times, 0.99) / 1e3, (unsigned long long)m.requests,
               (unsigned long long)m.failures, m.repeat, timer.overhead);
    mlo_measured_release(&m);
    mlo_runner_free(r);
    return rc;
}

static int measure_command(const char *line, const struct mlo_target_opts *o, double seconds,
                           struct mlo_err *err)
{
    const struct mlo_command_opts how = {.line = line, .env = environ};
    struct mlo_target *t = NULL;
    int rc = mlo_target_command(&how, o, &t, err);
    if (rc == 0)
        rc = measure(t, seconds, err);
    mlo_target_close(t);
    return rc;
}

static int measure_model(const char *line, const char *model, const char *rows, struct mlo_err *err)
{
    struct mlo_inputs_opts made = {.rows = strtoul(rows, NULL, 10), .seed = 1};
    struct mlo_plan *plan = NULL;
    struct mlo_inputs *in = NULL;
    MLO_AUTOFREE char *body = NULL;
    size_t n;
    int rc = mlo_plan_open(model, NULL, &plan, err);
    if (rc == 0)
        rc = mlo_inputs_new(plan, &made, &in, err);
    if (rc == 0) {
        const struct mlo_port_type *ports = mlo_plan_inputs(plan, &n);
        rc = mlo_infer_request(ports, mlo_inputs_values(in), n, &body, err);
    }
    const char *bodies[] = {body};
    const struct mlo_target_opts o = {.rows = made.rows, .bodies = bodies, .n_bodies = 1, .model = model};
    if (rc == 0)
        rc = measure_command(line, &o, 0.5, err);
    mlo_inputs_free(in);
    mlo_plan_free(plan);
    return rc;
}

static int measure_url(struct mlo_err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    const char *bodies[] = {"{\"inputs\":[]}"};
    const struct mlo_target_opts o = {.rows = 1, .bodies = bodies, .n_bodies = 1, .model = "none"};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct mlo_target *t = NULL;
    pthread_t thread;
    char url[64];
    if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&at, &size) ||
        pthread_create(&thread, NULL, serve, &listener))
        return mlo_fail_errno(err, "cannot serve");
    snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(at.sin_port));
    int rc = mlo_target_url(&(struct mlo_url_opts){.url = url}, &o, &t, err);
    if (rc == 0)
        rc = measure(t, 5, err);
    mlo_target_close(t);
    pthread_join(thread, NULL);
    close(listener);
    return rc;
}

int main(int argc, char **argv)
{
    struct mlo_target nothing = {.kind = "engine", .join = join, .call = call, .leave = leave, .rows = 1};
    struct mlo_err err = MLO_ERR_INIT;
    const char *mode = argc > 1 ? argv[1] : "";
    int rc = -1;
    if (strcmp(mode, "answer") == 0)
        return answer();
    if (strcmp(mode, "slow") == 0 && argc > 3)
        return slow(argv[2], argv + 3);
    if (strcmp(mode, "command") == 0 && argc == 3)
        rc = measure_command(argv[2], &(struct mlo_target_opts){.rows = 1}, 5, &err);
    else if (strcmp(mode, "command") == 0 && argc == 5)
        rc = measure_model(argv[2], argv[3], argv[4], &err);
    else if (strcmp(mode, "url") == 0)
        rc = measure_url(&err);
    else if (strcmp(mode, "engine") == 0)
        rc = measure(&nothing, 5, &err);
    else
        fputs("usage: target-bench engine | url | answer | command LINE [MODEL ROWS] | slow PERCENT "
              "COMMAND...\n",
              stderr);
    if (err.code)
        fprintf(stderr, "target-bench: %s\n%s\n", err.msg, err.hint);
    return rc != 0;
}
