/* The pickle walker: opcodes, names, tricks that hid imports from other scanners, and files that are meant to
 * hurt. */
#include "pickle_help.h"

#include "../../src/checkpoint/pickle/pickle.h"

static void plain_tensors_pass_and_known_data_is_known(void)
{
    check_pickle("\x80\x02"
                 "ccollections\nOrderedDict\nq\0)Rq\1X\1\0\0\0aq\2K\1s.",
                 MLO_VERDICT_TENSOR_ONLY, NULL);
    check_pickle("\x80\2N.", MLO_VERDICT_TENSOR_ONLY, NULL);
    check_pickle("\x80\2cargparse\nNamespace\n)\x81}X\1\0\0\0aK\1sb.", MLO_VERDICT_KNOWN,
                 "argparse.Namespace");
    check_pickle("\x80\4\x95\x04\0\0\0\0\0\0\0\x8c\1a\x94.", MLO_VERDICT_KNOWN, "opcode FRAME");
    check_pickle("\x80\2c__builtin__\nset\n]\x85R.", MLO_VERDICT_TENSOR_ONLY, NULL);
    check_pickle("\x80\2ctorch\nFloatStorage\n.", MLO_VERDICT_TENSOR_ONLY, NULL);
    check_pickle("\x80\2ctorch.cuda\nHalfStorage\n.", MLO_VERDICT_TENSOR_ONLY, NULL);
    check_pickle("\x80\2ctorch\nbfloat16\n.", MLO_VERDICT_TENSOR_ONLY, NULL);
    check_pickle("\x80\2ctorch\nNoStorage\n.", MLO_VERDICT_UNKNOWN, "torch.NoStorage");
    check_pickle("\x80\2cmodel\nNet\n)\x81.", MLO_VERDICT_UNKNOWN, "model.Net");
}

static void the_minimal_hostile_pickle_is_dangerous_whole_or_broken(void)
{
    static const char evil[] = "\x80\2cposix\nsystem\nX\2\0\0\0id\x85R.";
    size_t whole = sizeof evil - 1, import = 16; /* bytes up to the end of GLOBAL */
    check_scan(evil, whole, MLO_VERDICT_DANGEROUS, "posix.system");
    check_scan(evil, whole - 1, MLO_VERDICT_DANGEROUS, "posix.system");
    for (size_t n = 0; n < whole; n++)
        check_scan(evil, n, n < import ? MLO_VERDICT_NONE : MLO_VERDICT_DANGEROUS, NULL);
    struct mlo_checkpoint cp;
    scan_bytes(evil, whole - 1, &cp);
    check(has_finding(&cp, MLO_VERDICT_UNKNOWN, "", "malformed: pickle: no STOP"),
          "the fault is reported too");
    mlo_checkpoint_release(&cp);
    check_pickle("\x80\2cposix\nsystem\nX\2\0\0\0id\x85R\xFFgarbage", MLO_VERDICT_DANGEROUS, "posix.system");
}

static void every_gadget_group_is_dangerous(void)
{
    static const char *const names[] = {
        "builtins eval",
        "builtins exec",
        "__builtin__ execfile",
        "builtins getattr",
        "builtins __import__",
        "builtins print",
        "os system",
        "posix system",
        "nt system",
        "sys modules",
        "subprocess Popen",
        "_posixsubprocess fork_exec",
        "pty spawn",
        "commands getoutput",
        "multiprocessing.util spawnv_passfds",
        "signal signal",
        "platform popen",
        "uuid _get_command_stdout",
        "_osx_support _read_output",
        "_aix_support _read_cmd_output",
        "_pyrepl.pager pipe_pager",
        "types CodeType",
        "types FunctionType",
        "code InteractiveInterpreter",
        "codeop compile_command",
        "marshal loads",
        "runpy _run_code",
        "importlib import_module",
        "_frozen_importlib_external SourceLoader",
        "imp load_source",
        "_imp create_dynamic",
        "pkgutil resolve_name",
        "zipimport zipimporter",
        "site execsitecustomize",
        "py_compile compile",
        "compileall compile_dir",
        "_interpreters run_string",
        "cloudpickle loads",
        "dill loads",
        "operator attrgetter",
        "_operator methodcaller",
        "functools partial",
        "functools reduce",
        "__builtin__ reduce",
        "itertools starmap",
        "itertools imap",
        "builtins map",
        "inspect getsource",
        "gc get_objects",
        "unittest.mock _importer",
        "atexit register",
        "threading Thread",
        "_thread start_new_thread",
        "thread start_new",
        "pdb run",
        "bdb Bdb",
        "cProfile runctx",
        "profile run",
        "timeit timeit",
        "trace Trace",
        "doctest debug_script",
        "pydoc pipepager",
        "idlelib.debugobj ObjectTreeItem",
        "lib2to3.pgen2.grammar Grammar",
        "socket create_connection",
        "ssl get_server_certificate",
        "http.client HTTPSConnection",
        "httplib HTTP",
        "urllib.request urlopen",
        "urllib urlopen",
        "urllib2 urlopen",
        "requests get",
        "aiohttp.client ClientSession",
        "asyncio.unix_events _UnixSubprocessTransport",
        "webbrowser open",
        "smtplib SMTP",
        "ftplib FTP",
        "imaplib IMAP4_stream",
        "xmlrpc.client ServerProxy",
        "shutil rmtree",
        "tempfile mktemp",
        "io FileIO",
        "_io open",
        "tarfile open",
        "zipfile ZipFile",
        "shelve open",
        "sqlite3 connect",
        "glob glob",
        "fileinput input",
        "linecache getlines",
        "mmap mmap",
        "logging FileHandler",
        "logging.handlers SocketHandler",
        "distutils.spawn spawn",
        "ctypes CDLL",
        "_ctypes dlopen",
        "cffi FFI",
        "pip main",
        "ensurepip bootstrap",
        "venv create",
        "setuptools setup",
        "pickle loads",
        "_pickle loads",
        "cPickle loads",
        "joblib load",
        "torch load",
        "torch.serialization load",
        "torch.storage _load_from_bytes",
        "torch.hub load",
        "numpy load",
        "torch._dynamo.guards GuardBuilder",
        "torch._inductor.codecache x",
        "torch compile",
        "torch.jit.unsupported_tensor_ops execWrapper",
        "torch.fx.experimental.symbolic_shapes x",
        "torch.utils._config_module ConfigModule",
        "torch.utils.bottleneck.__main__ run",
        "torch.utils.collect_env run",
        "torch.utils.data.datapipes.utils.decoder basichandlers",
        "numpy.f2py.crackfortran myeval",
        "numpy.distutils.exec_command exec_command",
        "numpy.testing._private.utils runstring",
        "keras.layers Lambda",
        "tensorflow.raw_ops ReadFile",
        "pexpect run",
        "pipes Template",
    };
    for (size_t i = 0; i < MLO_COUNT(names); i++) {
        struct blob b = {0};
        const char *space = strchr(names[i], ' ');
        blob_put(&b, "\x80\2c", 3);
        blob_put(&b, names[i], (size_t)(space - names[i]));
        blob_text(&b, "\n");
        blob_text(&b, space + 1);
        blob_text(&b, "\n)R.");
        check(mlo_pickle_judge("x", "y") == MLO_VERDICT_UNKNOWN);
        struct mlo_checkpoint cp;
        scan_bytes(b.p, b.n, &cp);
        check(cp.verdict == MLO_VERDICT_DANGEROUS, "%s: %s", names[i], mlo_verdict_name(cp.verdict));
        mlo_checkpoint_release(&cp);
        blob_free(&b);
    }
}

static void names_are_judged_in_every_spelling(void)
{
    static const struct {
        const char *module, *name;
        enum mlo_pickle_verdict want;
    } cases[] = {
        {"a.b.os", "system", MLO_VERDICT_DANGEROUS},   /* re-exported */
        {"a.b", "os.system", MLO_VERDICT_DANGEROUS},   /* by attributes */
        {"torch", "hub.load", MLO_VERDICT_DANGEROUS},  /* listed across module and name */
        {"asyncio.x.y", "z", MLO_VERDICT_DANGEROUS},   /* beneath a listed one */
        {"asynciox", "z", MLO_VERDICT_UNKNOWN},        /* only looks like it */
        {"a", "B.__globals__", MLO_VERDICT_DANGEROUS}, /* leads anywhere */
        {"a", "__reduce__", MLO_VERDICT_DANGEROUS},
        {"torch", "nn.parameter.Parameter", MLO_VERDICT_UNKNOWN}, /* dotted names are on no good list */
        {"collections", "OrderedDict.fromkeys", MLO_VERDICT_UNKNOWN},
        {"", "", MLO_VERDICT_UNKNOWN},
        {"copy_reg", "_reconstructor", MLO_VERDICT_KNOWN},
        {"__builtin__", "xrange", MLO_VERDICT_KNOWN},
        {"builtins", "range", MLO_VERDICT_KNOWN},
        {"numpy.core.multiarray", "_reconstruct", MLO_VERDICT_KNOWN},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++)
        check(mlo_pickle_judge(cases[i].module, cases[i].name) == cases[i].want, "%s . %s", cases[i].module,
              cases[i].name);
}

static void stack_global_is_followed_through_memo_and_dup(void)
{
    /* Plain; through BINPUT and BINGET; MEMOIZE; PUT and GET lines; DUP (module and name are equal texts). */
    check_pickle("\x80\4\x8c\2os\x8c\6system\x93.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("\x80\4\x8c\2osq\5\x8c\6systemq\6(1h\5h\6\x93.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("\x80\4\x8c\2os\x94\x8c\6system\x94\x30\x30h\0h\1\x93.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("(Vos\np7\nVsystem\np8\n1g7\ng8\n\x93.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("\x80\4\x8c\3pdb2\x93.", MLO_VERDICT_DANGEROUS, "pdb.pdb");
    check_pickle("\x80\4\x8c\2os\x8c\6system\x86\x30\x8c\2os\x8c\6system\x93.", MLO_VERDICT_DANGEROUS,
                 "os.system");
    /* Escaped spellings of protocol 0. */
    check_pickle("\x80\4Vo\\u0073\nVsystem\n\x93.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("\x80\4S'o\\x73'\nS\"sys\\164em\"\n\x93.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("\x80\4T\2\0\0\0osU\6system\x93.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("\x80\4\x8c\x0b"
                 "collections\x8c\x0bOrderedDict\x93)R.",
                 MLO_VERDICT_KNOWN, "opcode SHORT_BINUNICODE");
}

static void a_computed_name_is_dangerous(void)
{
    check_pickle("\x80\4\x8c\7"
                 "_codecs\x8c\6"
                 "encode\x93\x8c\2os\x85R\x8c\6system\x93.",
                 MLO_VERDICT_DANGEROUS, "computed name");
    check_pickle("\x80\4K\1\x8c\6system\x93.", MLO_VERDICT_DANGEROUS, "computed name");
    check_pickle("\x80\4\x8c\2os\x8c\6system\x86K\1\x93.", MLO_VERDICT_DANGEROUS, "computed name");
    check_pickle("\x80\4\x8c\3o\0s\x8c\6system\x93.", MLO_VERDICT_DANGEROUS, "NUL");
    struct blob b = {0}; /* a name of 2,000 bytes */
    blob_put(&b, "\x80\2c", 3);
    blob_fill(&b, 'a', 2000);
    blob_text(&b, "\nb\n.");
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "too long");
    blob_free(&b);
}

static void opcodes_that_torch_never_writes_are_said(void)
{
    check_pickle("\x80\2\x82\1.", MLO_VERDICT_UNKNOWN, "opcode EXT1");
    check_pickle("\x80\2\x83\1\0.", MLO_VERDICT_UNKNOWN, "opcode EXT2");
    check_pickle("\x80\2\x84\1\0\0\0.", MLO_VERDICT_UNKNOWN, "opcode EXT4");
    check_pickle("(iargparse\nNamespace\n.", MLO_VERDICT_UNKNOWN, "opcode INST");
    check_pickle("(S'id'\nios\nsystem\n.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("\x80\2(cposix\nsystem\nX\2\0\0\0ido.", MLO_VERDICT_DANGEROUS, "posix.system");
    check_pickle("\x80\2(cargparse\nNamespace\no.", MLO_VERDICT_UNKNOWN, "opcode OBJ");
    check_pickle("\x80\2Pid\n.", MLO_VERDICT_UNKNOWN, "opcode PERSID");
    check_pickle("\x80\2K\1Q.", MLO_VERDICT_UNKNOWN, "opcode BINPERSID");
    check_pickle("\x80\5\x97\x98.", MLO_VERDICT_UNKNOWN, "opcode NEXT_BUFFER");
}

static void acts_on_strange_objects_are_said(void)
{
    check_pickle("\x80\2ctorch\nTensor\n}b.", MLO_VERDICT_DANGEROUS, "state set on a class");
    check_pickle("\x80\2]}b.", MLO_VERDICT_UNKNOWN, "state set on something unknown");
    check_pickle("\x80\2ctorch\nTensor\n)RK\1K\1s.", MLO_VERDICT_UNKNOWN, "items set");
    check_pickle("\x80\2}K\1a.", MLO_VERDICT_UNKNOWN, "items set");
    check_pickle("\x80\2}(]e.", MLO_VERDICT_UNKNOWN, "items set");
    check_pickle("\x80\2]K\1K\2s.", MLO_VERDICT_UNKNOWN, "items set");
    check_pickle("\x80\2K\1)R.", MLO_VERDICT_UNKNOWN, "no named global");
    check_pickle("\x80\2ccollections\nOrderedDict\n)R)R.", MLO_VERDICT_UNKNOWN, "no named global");
    check_pickle("\x80\2ccollections\nCounter\n)RK\1K\2s.", MLO_VERDICT_TENSOR_ONLY, NULL);
}

static void protocol_and_frame_tricks_are_said(void)
{
    check_pickle("\x80\2N\x80\2.", MLO_VERDICT_UNKNOWN, "PROTO");
    check_pickle("\x80\2cos\nsystem\n\x80\6.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("\x80\4\x95\3\0\0\0\0\0\0\0\x8c\2osN.", MLO_VERDICT_UNKNOWN, "crosses the end of its frame");
    check_pickle("\x80\4\x95\x0b\0\0\0\0\0\0\0\x95\1\0\0\0\0\0\0\0N.", MLO_VERDICT_UNKNOWN, "frame inside");
    check_pickle("\x80\4ca\nb\n\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.", MLO_VERDICT_UNKNOWN,
                 "malformed: pickle: frame of");
}

static void stacked_pickles_and_tails_are_seen(void)
{
    check_pickle("\x80\2N.\x80\2cos\nsystem\n.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("\x80\2N.cos\nsystem\n(S'id'\ntR.", MLO_VERDICT_DANGEROUS, "os.system");
    check_pickle("\x80\2N.tail", MLO_VERDICT_UNKNOWN, "bytes after the pickle");
    check_pickle("\x80\2N.\x80\2N.\x80\2N.", MLO_VERDICT_TENSOR_ONLY, NULL);
    check_pickle("\x80\2N.\0", MLO_VERDICT_UNKNOWN, "bytes after the pickle");
}

static void pickles_in_constants_are_opened(void)
{
    check_pickle("\x80\3C\x10\x80\2cposix\nsystem\n.\x30N.", MLO_VERDICT_DANGEROUS, "posix.system");
    struct mlo_checkpoint cp;
    scan_bytes("\x80\3C\x12\x80\2cposix\nsystem\n)R.0N.", 26, &cp);
    check(has_finding(&cp, MLO_VERDICT_DANGEROUS, "bytes at 4", "posix.system"));
    mlo_checkpoint_release(&cp);
}

/* Each of these ends a real unpickler at the same place. */
static void malformed_pickles_are_refused_with_the_reason(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *reason;
    } cases[] = {
#define BAD(literal, reason)                                                                                 \
    {"\x80\2ccollections\nOrderedDict\n)R" literal,                                                          \
     sizeof("\x80\2ccollections\nOrderedDict\n)R" literal) - 1, reason}
        BAD("", "no STOP"),
        BAD("\xfe.", "no opcode 0xfe"),
        BAD("00.", "stack underflow"),
        BAD("00s.", "stack underflow"),
        BAD("t.", "no MARK"),
        BAD("(K\1d.", "odd number"),
        BAD("}(K\1u.", "odd number"),
        BAD("h\7.", "slot 7 was never filled"),
        BAD("X\xff\xff\xff\xffz.", "length 4294967295"),
        BAD("\x8d\xff\xff\xff\xff\xff\xff\xff\xffz.", "length 18446744073709551615"),
        BAD("T\xff\xff\xff\xffz.", "negative length"),
        BAD("\x8b\xff\xff\xff\xffz.", "negative length"),
        BAD("Inothing\n.", "no number"),
        BAD("F\n.", "no number"),
        BAD("S'a\n.", "without quotes"),
        BAD("Vno end", "line without an end"),
        BAD("p-1\n.", "negative memo slot"),
        BAD("\x80\x09.", "protocol 9"),
        BAD("o.", "no MARK"),
        BAD("(o.", "stack underflow"),
        BAD("K", "truncated"),
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct blob b = {0};
        blob_put(&b, cases[i].bytes, cases[i].n);
        check_refused(&b, cases[i].reason);
        check_scan(b.p, b.n, MLO_VERDICT_UNKNOWN, cases[i].reason);
        blob_free(&b);
    }
}

static void put_many(struct blob *b, int c, size_t n)
{
    uint8_t *p = malloc(n);
    memset(p, c, n);
    blob_put(b, p, n);
    free(p);
}

static void memory_attacks_stay_small(void)
{
    struct blob b = {0};
    blob_put(&b, "\x80\2]", 3); /* billion laughs: a list of two of the list before, forty times */
    for (int i = 0; i < 40; i++)
        blob_put(&b, "q\1](h\1h\1e", 9);
    blob_text(&b, ".");
    check_scan(b.p, b.n, MLO_VERDICT_TENSOR_ONLY, NULL);
    b.n = 0;
    blob_put(&b, "\x80\2N", 3); /* two million values on the stack */
    put_many(&b, '2', 2000000);
    blob_text(&b, ".");
    check_scan(b.p, b.n, MLO_VERDICT_UNKNOWN, "stack of more than");
    b.n = 0;
    blob_put(&b, "\x80\2\x8b\0\0\2\0", 7); /* an integer of 128 KiB */
    put_many(&b, 1, 1 << 17);
    blob_text(&b, ".");
    check_scan(b.p, b.n, MLO_VERDICT_UNKNOWN, "integer of 131072 bytes");
    b.n = 0;
    blob_put(&b, "\x80\2N", 3); /* memo slots in the thousands of millions */
    for (uint32_t i = 0; i < 1000; i++) {
        blob_text(&b, "r");
        blob_le(&b, UINT32_MAX - i, 4);
    }
    blob_text(&b, "j");
    blob_le(&b, UINT32_MAX, 4);
    blob_text(&b, ".");
    check_scan(b.p, b.n, MLO_VERDICT_TENSOR_ONLY, NULL);
    b.n = 0;
    for (int i = 0; i < 20000; i++) /* many small pickles */
        blob_put(&b, "\x80\2Nq\xff.", 6);
    check_scan(b.p, b.n, MLO_VERDICT_TENSOR_ONLY, NULL);
    blob_free(&b);
}

static void a_forgotten_memo_slot_is_not_trusted(void)
{
    struct blob b = {0};
    blob_put(&b, "\x80\4\x8c\2osr\xff\xff\xff\x7f\x30\x8c\6systemr\xfe\xff\xff\x7f\x30", 26);
    blob_put(&b, "j\xff\xff\xff\x7fj\xfe\xff\xff\x7f\x93.", 12);
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "computed name");
    blob_free(&b);
}

static void ordinary_files_are_no_pickles(void)
{
    static const char *const texts[] = {"",
                                        ".",
                                        "Version 1.0\nNotes.\n",
                                        "import os\nos.system('id')\n",
                                        "(see below)\n",
                                        "{\"a\": 1}\n",
                                        "MIT License\n\nCopyright\n",
                                        "cat\ndog\nbird\n",
                                        "id,age\n1,2\n",
                                        "\x80\2",
                                        "\x80\2\xff\xff",
                                        "GGUF",
                                        "N",
                                        "]"};
    for (size_t i = 0; i < MLO_COUNT(texts); i++)
        check_scan(texts[i], strlen(texts[i]), MLO_VERDICT_NONE, NULL);
}

static const char joblib_head[] =
    "\x80\2cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\5\0\0\0shapeK\4\x85X\5\0\0\0dtype"
    "cnumpy\ndtype\nX\2\0\0\0u1\x89\x88\x87Rub";

static void joblib_arrays_are_walked_both_ways(void)
{
    struct blob b = {0};
    blob_put(&b, joblib_head, sizeof joblib_head - 1);
    blob_put(&b, "\1\2\3\xff.", 5); /* four bytes of data, then STOP */
    check_scan(b.p, b.n, MLO_VERDICT_KNOWN, "NumpyArrayWrapper");
    b.n = 0;
    blob_put(&b, joblib_head, sizeof joblib_head - 1);
    blob_put(&b,
             "\1\2\3\xff"
             "cos\nsystem\n.",
             16); /* hidden behind the data */
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "os.system");
    b.n = 0;
    blob_put(&b, joblib_head, sizeof joblib_head - 1);
    blob_put(&b, "cos\nsystem\n.", 12); /* hidden in what would be data */
    check_scan(b.p, b.n, MLO_VERDICT_DANGEROUS, "os.system");
    blob_free(&b);
}

static struct blob everything;

static int scan_everything(void)
{
    struct mlo_checkpoint cp;
    struct mlo_err err = {0};
    struct mlo_mem mem = {everything.p};
    struct mlo_source src = mlo_source_mem(&mem, everything.n);
    int rc = mlo_pickle_scan(&src, &cp, &err);
    mlo_checkpoint_release(&cp);
    return rc;
}

static void memory_failures_and_mutations_do_no_harm(void)
{
    blob_put(&everything, joblib_head, sizeof joblib_head - 1);
    blob_put(&everything,
             "0000q\1h\1(\x8c\2os\x8c\6system\x93"
             "2)Rb\x85\x94}K\1K\2s.",
             32);
    check(each_alloc_failure(scan_everything) > 3);
    mutate(&everything);
    blob_free(&everything);
}

int main(void)
{
    run(plain_tensors_pass_and_known_data_is_known);
    run(the_minimal_hostile_pickle_is_dangerous_whole_or_broken);
    run(every_gadget_group_is_dangerous);
    run(names_are_judged_in_every_spelling);
    run(stack_global_is_followed_through_memo_and_dup);
    run(a_computed_name_is_dangerous);
    run(opcodes_that_torch_never_writes_are_said);
    run(acts_on_strange_objects_are_said);
    run(protocol_and_frame_tricks_are_said);
    run(stacked_pickles_and_tails_are_seen);
    run(pickles_in_constants_are_opened);
    run(malformed_pickles_are_refused_with_the_reason);
    run(memory_attacks_stay_small);
    run(a_forgotten_memo_slot_is_not_trusted);
    run(ordinary_files_are_no_pickles);
    run(joblib_arrays_are_walked_both_ways);
    run(memory_failures_and_mutations_do_no_harm);
    return done_testing();
}
