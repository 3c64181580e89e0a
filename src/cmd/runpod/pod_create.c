/* mlopsctl runpod pod create: its options, and what they may not say together. pod_make.c does it. */
#include <string.h>

#include <mlopsctl/base/time.h>

#include "pod_make.h"

#define TIMEOUT_NS (15 * 60 * (uint64_t)MLO_NS_PER_S)

static const struct mlo_pod_create defaults = {.count = 1, .cloud = "secure", .timeout = TIMEOUT_NS};

#define AT(member) .offset = offsetof(struct mlo_pod_create, member)
static const struct mlo_opt opts_table[] = {
    {.name = "image",
     .type = MLO_OPT_STRING,
     .arg = "IMAGE",
     .help = "the container image, for linux/amd64",
     AT(image)},
    {.name = "template",
     .type = MLO_OPT_STRING,
     .arg = "TEMPLATE",
     .help = "a pod template by id or name; what is said here is stronger",
     AT(template)},
    {.name = "name", .type = MLO_OPT_STRING, .arg = "NAME", .help = "what the pod is called", AT(name)},
    {.name = "gpu",
     .type = MLO_OPT_LIST,
     .arg = "TYPE",
     .help = "a GPU type by id, name or words of it; several are tried in this order",
     AT(gpu)},
    {.name = "min-vram",
     .type = MLO_OPT_U64,
     .arg = "GB",
     .help = "memory that one GPU must have; what fits is tried from the cheapest up",
     AT(min_vram),
     .max = 1u << 20},
    {.name = "count",
     .type = MLO_OPT_U64,
     .arg = "N",
     .help = "GPUs",
     AT(count),
     .min = 1,
     .max = MLO_GPU_COUNT_MAX},
    {.name = "manufacturer",
     .type = MLO_OPT_STRING,
     .arg = "NAME",
     .help = "AMD for instance, or `any`; when not given, NVIDIA and what is named",
     AT(manufacturer)},
    {.name = "slices", .type = MLO_OPT_FLAG, .help = "parts of a GPU (MIG) will do too", AT(slices)},
    {.name = "min-cuda",
     .type = MLO_OPT_STRING,
     .arg = "VERSION",
     .help = "the oldest CUDA that the host may have, such as 12.4",
     AT(min_cuda)},
    {.name = "cpu",
     .type = MLO_OPT_STRING,
     .arg = "FLAVOUR[:VCPUS]",
     .help = "no GPU: a CPU flavour such as cpu3c:4; two vCPUs when not said",
     AT(cpu)},
    {.name = "cloud",
     .type = MLO_OPT_CHOICE,
     .arg = "CLOUD",
     .help = "data centres, or the cheaper hosts of others, which take no network volumes",
     AT(cloud),
     .choices = "secure|community"},
    {.name = "dc",
     .type = MLO_OPT_LIST,
     .arg = "ID",
     .help = "a data centre; several are tried in this order",
     AT(dc)},
    {.name = "volume",
     .type = MLO_OPT_STRING,
     .arg = "VOLUME",
     .help = "a network volume by id or name; the pod runs in its data centre",
     AT(volume)},
    {.name = "persistent",
     .type = MLO_OPT_U64,
     .arg = "GB",
     .help = "a disk on the host that outlives a stop, but not the pod",
     AT(persistent),
     .min = 10,
     .max = 1u << 20},
    {.name = "mount",
     .type = MLO_OPT_STRING,
     .arg = "PATH",
     .help = "where the volume or the disk is in the container; /workspace when not said",
     AT(mount)},
    {.name = "disk",
     .type = MLO_OPT_U64,
     .arg = "GB",
     .help = "the container's own disk, wiped when the pod stops",
     AT(disk),
     .min = 1,
     .max = 1u << 20},
    {.name = "env",
     .letter = 'e',
     .type = MLO_OPT_LIST,
     .arg = "NAME[=VALUE]",
     .help = "a variable of the container; without a value, this command's own",
     AT(env)},
    {.name = "env-file",
     .type = MLO_OPT_STRING,
     .arg = "FILE",
     .help = "variables, one NAME=VALUE a line",
     AT(env_file),
     .flags = MLO_OPTF_FILE},
    {.name = "port",
     .letter = 'p',
     .type = MLO_OPT_LIST,
     .arg = "PORT/TYPE",
     .help = "a port to open: 8000/http behind RunPod's proxy, 22/tcp at a public address",
     AT(port)},
    {.name = "args",
     .type = MLO_OPT_STRING,
     .arg = "TEXT",
     .help = "arguments of the container's entrypoint",
     AT(args)},
    {.name = "registry",
     .type = MLO_OPT_STRING,
     .arg = "ID",
     .help = "the login for the image's registry, by its id",
     AT(registry)},
    {.name = "ssh",
     .type = MLO_OPT_FLAG,
     .help = "start an SSH server in images that have one, with the account's keys",
     AT(ssh)},
    {.name = "lease",
     .type = MLO_OPT_DURATION,
     .arg = "DURATION",
     .help = "how long it may live, such as 2h: then `runpod reap` ends it",
     AT(lease)},
    {.name = "no-lease", .type = MLO_OPT_FLAG, .help = "let it live until somebody removes it", AT(no_lease)},
    {.name = "max-price",
     .type = MLO_OPT_DOUBLE,
     .arg = "USD",
     .help = "the most it may cost an hour, by the catalog and by its bill",
     AT(max_price)},
    {.name = "max-total",
     .type = MLO_OPT_DOUBLE,
     .arg = "USD",
     .help = "the most it may cost until its lease ends",
     AT(max_total)},
    {.name = "wait",
     .letter = 'w',
     .type = MLO_OPT_FLAG,
     .help = "wait until what runs in it answers",
     AT(wait)},
    {.name = "probe",
     .type = MLO_OPT_STRING,
     .arg = "PORT[/PATH]",
     .help = "what must answer, when it is not the first open port; implies --wait",
     AT(probe)},
    {.name = "timeout",
     .type = MLO_OPT_DURATION,
     .arg = "DURATION",
     .help = "how long --wait waits; then the pod is removed",
     AT(timeout)},
    {.name = "keep", .type = MLO_OPT_FLAG, .help = "keep it although it does not answer", AT(keep)},
    {.name = "dry-run",
     .letter = 'n',
     .type = MLO_OPT_FLAG,
     .help = "say what would be tried and what it would cost, make nothing",
     AT(dry_run)},
    {0},
};
#undef AT

static int check_hardware(const struct mlo_pod_create *o, struct mlo_err *err)
{
    bool gpu = o->gpu.n || o->min_vram;
    if (o->cpu && (gpu || o->manufacturer || o->slices || o->min_cuda || o->count != 1))
        return mlo_fail(err, MLO_EUSAGE, "--cpu makes a pod without a GPU");
    if (!o->cpu && !gpu && o->max_price <= 0) {
        mlo_fail(err, MLO_EUSAGE, "no hardware was asked for");
        return mlo_hint(
            err, "say --gpu TYPE, --min-vram GB or --cpu FLAVOUR; `mlopsctl runpod gpu` lists the GPUs");
    }
    if (o->cpu && o->persistent)
        return mlo_fail(err, MLO_EUSAGE, "a pod without a GPU has no persistent disk");
    if (o->volume && o->persistent)
        return mlo_fail(err, MLO_EUSAGE, "a pod has a network volume or a persistent disk, not both");
    if (o->volume && strcmp(o->cloud, "secure") != 0)
        return mlo_fail(err, MLO_EUSAGE, "network volumes are in the secure cloud alone");
    if (o->mount && !o->volume && !o->persistent)
        return mlo_fail(err, MLO_EUSAGE, "--mount says where a volume is, and there is none");
    return 0;
}

static int check_opts(const struct mlo_pod_create *o, struct mlo_err *err)
{
    if (!o->image && !o->template)
        return mlo_fail(err, MLO_EUSAGE, "a pod needs --image or --template");
    if (!o->lease == !o->no_lease) {
        mlo_fail(err, MLO_EUSAGE,
                 o->lease ? "--lease and --no-lease exclude each other" : "a pod needs a lease");
        return mlo_hint(err,
                        "--lease 2h lets `mlopsctl runpod reap` end it after two hours; --no-lease never");
    }
    if (o->max_price < 0 || o->max_total < 0)
        return mlo_fail(err, MLO_EUSAGE, "a limit cannot be below 0");
    if (o->keep && !o->wait && !o->probe)
        return mlo_fail(err, MLO_EUSAGE, "--keep is for --wait");
    return check_hardware(o, err);
}

static int run(struct mlo_ctx *ctx, const void *options, struct mlo_err *err)
{
    int rc = check_opts(options, err);
    return rc != 0 ? rc : mlo_pod_create(ctx, options, err);
}

static const struct mlo_example examples[] = {
    {"What would be tried, and what it would cost",
     "mlopsctl runpod pod create --image pytorch/pytorch --min-vram 48 --max-price 1 --lease 2h --dry-run"},
    {"The cheapest of them, for two hours", "mlopsctl runpod pod create --image pytorch/pytorch --name train "
                                            "--min-vram 48 --max-price 1 --lease 2h --yes"},
    {"One that serves, waited for until it answers",
     "mlopsctl runpod pod create --image nginx --gpu 'RTX 4090' --gpu A5000 --port 80/http --lease 1h --wait "
     "--yes"},
    {0},
};

const struct mlo_command mlo_cmd_runpod_pod_create = {
    .name = "create",
    .summary = "rent a pod",
    .synopsis = "",
    .description =
        "Offers are tried from the cheapest up, or in the order of --gpu, while RunPod has no capacity.\n"
        "What it costs is shown and has to be agreed to, or --yes said. The lease is written into the pod's\n"
        "environment and the ledger; `mlopsctl runpod reap` ends what outlived it. `mlopsctl rollback` "
        "removes\n"
        "the pod again. Secrets belong into --env NAME or --env-file, not into the command line.",
    .opts = opts_table,
    .opts_size = sizeof(struct mlo_pod_create),
    .defaults = &defaults,
    .examples = examples,
    .flags = MLO_CMDF_WRITES,
    .run = run,
};
