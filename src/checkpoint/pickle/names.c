/*
 * What a global named in a pickle is worth: allowed, known, dangerous or unknown.
 *
 * The allow list decides first and only by exact match of module and undotted name; everything that is on no
 * list is unknown, never harmless. The dangerous list exists to give a clear word to the worst names: a
 * listed path covers all beneath it, in the module, in the dotted name, or across the two ("torch" +
 * "hub.load"). Python 2 names are judged both as spelt and as Python 3 maps them, and the worse answer
 * counts.
 */
#include "pickle.h"

#include <string.h>

#define PATH_MAX_NAME (2 * MLO_PICKLE_NAME_MAX + 2)

/* Beyond these, every torch.<dtype>, storage and tensor class is allowed: see is_torch_class. */
static const char *const allowed[] = {
    "_codecs.encode",
    "builtins.bytearray",
    "builtins.complex",
    "builtins.set",
    "collections.Counter",
    "collections.OrderedDict",
    "torch.Size",
    "torch.Tensor",
    "torch._tensor._rebuild_from_type_v2",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_meta_tensor_no_storage",
    "torch._utils._rebuild_nested_tensor",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_wrapper_subclass",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch.per_channel_affine",
    "torch.per_channel_affine_float_qparams",
    "torch.per_channel_symmetric",
    "torch.per_tensor_affine",
    "torch.per_tensor_symmetric",
    "torch.serialization._get_layout",
    "torch.storage.TypedStorage",
    "torch.storage.UntypedStorage",
};

static const char *const torch_dtypes[] = {
    "bfloat16",
    "bits16",
    "bits1x8",
    "bits2x4",
    "bits4x2",
    "bits8",
    "bool",
    "complex128",
    "complex32",
    "complex64",
    "float16",
    "float32",
    "float4_e2m1fn_x2",
    "float64",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "int1",
    "int16",
    "int2",
    "int3",
    "int32",
    "int4",
    "int5",
    "int6",
    "int64",
    "int7",
    "int8",
    "qint32",
    "qint8",
    "quint2x4",
    "quint4x2",
    "quint8",
    "uint1",
    "uint16",
    "uint2",
    "uint3",
    "uint32",
    "uint4",
    "uint5",
    "uint6",
    "uint64",
    "uint7",
    "uint8",
};

/* "Float" + "Storage" or "Tensor", in torch, torch.cuda, torch.sparse and torch.cuda.sparse. */
static const char *const torch_elements[] = {
    "BFloat16", "Bool", "Byte",   "Char",  "ComplexDouble", "ComplexFloat", "Double", "Float", "Half",
    "Int",      "Long", "QInt32", "QInt8", "QUInt2x4",      "QUInt4x2",     "QUInt8", "Short",
};

/* Plain data, made without running anything of the file's choosing. */
static const char *const known[] = {
    "argparse.Namespace",
    "builtins.bool",
    "builtins.bytes",
    "builtins.dict",
    "builtins.float",
    "builtins.frozenset",
    "builtins.int",
    "builtins.list",
    "builtins.object",
    "builtins.range",
    "builtins.slice",
    "builtins.str",
    "builtins.tuple",
    "collections.ChainMap",
    "collections.defaultdict",
    "collections.deque",
    "copyreg.__newobj__",
    "copyreg.__newobj_ex__",
    "copyreg._reconstructor",
    "datetime.date",
    "datetime.datetime",
    "datetime.time",
    "datetime.timedelta",
    "datetime.timezone",
    "decimal.Decimal",
    "fractions.Fraction",
    "joblib.numpy_pickle.NumpyArrayWrapper",
    "ml_dtypes.bfloat16",
    "ml_dtypes.float8_e4m3fn",
    "ml_dtypes.float8_e5m2",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
    "numpy.bool_",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy.dtype",
    "numpy.dtypes.BoolDType",
    "numpy.dtypes.Float16DType",
    "numpy.dtypes.Float32DType",
    "numpy.dtypes.Float64DType",
    "numpy.dtypes.Int32DType",
    "numpy.dtypes.Int64DType",
    "numpy.dtypes.UInt8DType",
    "numpy.float16",
    "numpy.float32",
    "numpy.float64",
    "numpy.int16",
    "numpy.int32",
    "numpy.int64",
    "numpy.int8",
    "numpy.ma.core.MaskedArray",
    "numpy.ma.core._mareconstruct",
    "numpy.matrix",
    "numpy.ndarray",
    "numpy.random._mt19937.MT19937",
    "numpy.random._pcg64.PCG64",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__randomstate_ctor",
    "numpy.recarray",
    "numpy.str_",
    "numpy.uint16",
    "numpy.uint32",
    "numpy.uint64",
    "numpy.uint8",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "torch.Generator",
    "torch.jit._pickle.build_boollist",
    "torch.jit._pickle.build_doublelist",
    "torch.jit._pickle.build_intlist",
    "torch.jit._pickle.build_tensor_from_id",
    "torch.jit._pickle.build_tensorlist",
    "torch.jit._pickle.restore_type_tag",
    "torch.nn.Parameter",
    "torch.nn.parameter.Buffer",
    "torch.storage._LegacyStorage",
    "torch.torch_version.TorchVersion",
    "torch.version.__version__",
};

/* A path covers itself and everything beneath it. */
static const char *const dangerous[] = {
    "_aix_support",
    "_ctypes",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "_imp",
    "_interpreters",
    "_io.FileIO",
    "_io.open",
    "_io.open_code",
    "_operator.attrgetter",
    "_operator.itemgetter",
    "_operator.methodcaller",
    "_osx_support",
    "_pickle",
    "_posixsubprocess",
    "_pyrepl",
    "_signal",
    "_socket",
    "_sqlite3",
    "_ssl",
    "_thread",
    "_winapi",
    "_xxsubinterpreters",
    "aiohttp",
    "asyncio",
    "atexit",
    "bdb",
    "cProfile",
    "cffi",
    "cloudpickle",
    "code",
    "codecs.open",
    "codeop",
    "commands",
    "compileall",
    "concurrent",
    "ctypes",
    "dbm",
    "difflib",
    "dill",
    "distutils",
    "doctest",
    "ensurepip",
    "filecmp",
    "fileinput",
    "ftplib",
    "functools.partial",
    "functools.partialmethod",
    "functools.reduce",
    "gc",
    "glob",
    "http",
    "httplib",
    "idlelib",
    "imaplib",
    "imp",
    "importlib",
    "inspect",
    "io.FileIO",
    "io.open",
    "io.open_code",
    "itertools.starmap",
    "jax.experimental.compilation_cache",
    "joblib",
    "keras.layers.Lambda",
    "keras.src.layers.core.lambda_layer",
    "lib2to3",
    "linecache",
    "logging.FileHandler",
    "logging.config",
    "logging.handlers",
    "marshal",
    "mmap",
    "multiprocessing",
    "nntplib",
    "nt",
    "ntpath",
    "numpy._core.multiarray.fromfile",
    "numpy.core.multiarray.fromfile",
    "numpy.ctypeslib",
    "numpy.distutils",
    "numpy.f2py",
    "numpy.fromfile",
    "numpy.lib.npyio.load",
    "numpy.load",
    "numpy.memmap",
    "numpy.testing",
    "operator.attrgetter",
    "operator.itemgetter",
    "operator.methodcaller",
    "os",
    "pandas.eval",
    "pandas.read_pickle",
    "pdb",
    "pexpect",
    "pickle",
    "pip",
    "pipes",
    "pkgutil",
    "platform",
    "popen2",
    "poplib",
    "posix",
    "posixpath",
    "profile",
    "pty",
    "py_compile",
    "pydoc",
    "requests",
    "runpy",
    "select",
    "selectors",
    "setuptools",
    "shelve",
    "shutil",
    "signal",
    "site",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite3",
    "ssl",
    "subprocess",
    "sys",
    "syslog",
    "tarfile",
    "telnetlib",
    "tempfile",
    "tensorflow.io.read_file",
    "tensorflow.io.write_file",
    "tensorflow.keras.layers.Lambda",
    "tensorflow.python.ops.gen_io_ops",
    "tensorflow.raw_ops.ReadFile",
    "tensorflow.raw_ops.WriteFile",
    "test",
    "threading",
    "timeit",
    "torch._C._jit",
    "torch._dynamo",
    "torch._inductor",
    "torch.compile",
    "torch.fx.experimental.symbolic_shapes",
    "torch.hub",
    "torch.jit",
    "torch.load",
    "torch.ops",
    "torch.package",
    "torch.serialization.load",
    "torch.storage._load_from_bytes",
    "torch.utils._config_module",
    "torch.utils.bottleneck",
    "torch.utils.collect_env",
    "torch.utils.cpp_extension",
    "torch.utils.data.datapipes.utils.decoder",
    "torch.utils.model_zoo",
    "trace",
    "types.CodeType",
    "types.FunctionType",
    "types.LambdaType",
    "types.MethodType",
    "types.ModuleType",
    "unittest",
    "urllib",
    "urllib2",
    "uuid",
    "venv",
    "webbrowser",
    "winreg",
    "xmlrpc",
    "zipfile",
    "zipimport",
};

/* Names that are bad wherever they stand in a path: modules re-export them ("a.b.os"). */
static const char *const bad_parts[] = {
    "__import__",  "_ctypes",  "_pickle",    "_posixsubprocess",
    "builtins",    "cPickle",  "check_call", "check_output",
    "cloudpickle", "commands", "ctypes",     "dill",
    "eval",        "exec",     "execfile",   "getattr",
    "importlib",   "joblib",   "marshal",    "methodcaller",
    "nt",          "os",       "pdb",        "pickle",
    "pip",         "popen",    "Popen",      "posix",
    "posixpath",   "pty",      "runpy",      "setattr",
    "shutil",      "socket",   "subprocess", "sys",
    "system",      "urllib",   "webbrowser",
};

/* What Python 3 makes of Python 2 names: exact pairs first, then whole modules. */
static const struct rename {
    const char *module, *name, *to_module, *to_name;
} renames[] = {
    {"__builtin__", "basestring", "builtins", "str"},
    {"__builtin__", "intern", "sys", "intern"},
    {"__builtin__", "long", "builtins", "int"},
    {"__builtin__", "reduce", "functools", "reduce"},
    {"__builtin__", "unichr", "builtins", "chr"},
    {"__builtin__", "unicode", "builtins", "str"},
    {"__builtin__", "xrange", "builtins", "range"},
    {"itertools", "ifilter", "builtins", "filter"},
    {"itertools", "imap", "builtins", "map"},
    {"itertools", "izip", "builtins", "zip"},
    {"_socket", "fromfd", "socket", "fromfd"},
    {"_multiprocessing", "Connection", "multiprocessing.connection", "Connection"},
    {"BaseHTTPServer", NULL, "http.server", NULL},
    {"CGIHTTPServer", NULL, "http.server", NULL},
    {"DocXMLRPCServer", NULL, "xmlrpc.server", NULL},
    {"SimpleHTTPServer", NULL, "http.server", NULL},
    {"SimpleXMLRPCServer", NULL, "xmlrpc.server", NULL},
    {"SocketServer", NULL, "socketserver", NULL},
    {"StringIO", NULL, "io", NULL},
    {"UserDict", NULL, "collections", NULL},
    {"UserList", NULL, "collections", NULL},
    {"UserString", NULL, "collections", NULL},
    {"__builtin__", NULL, "builtins", NULL},
    {"_winreg", NULL, "winreg", NULL},
    {"anydbm", NULL, "dbm", NULL},
    {"cPickle", NULL, "pickle", NULL},
    {"cStringIO", NULL, "io", NULL},
    {"commands", NULL, "subprocess", NULL},
    {"copy_reg", NULL, "copyreg", NULL},
    {"dbhash", NULL, "dbm.bsd", NULL},
    {"dumbdbm", NULL, "dbm.dumb", NULL},
    {"exceptions", NULL, "builtins", NULL},
    {"gdbm", NULL, "dbm.gnu", NULL},
    {"httplib", NULL, "http.client", NULL},
    {"thread", NULL, "_thread", NULL},
    {"urllib2", NULL, "urllib.request", NULL},
    {"urlparse", NULL, "urllib.parse", NULL},
    {"whichdb", NULL, "dbm", NULL},
    {"xmlrpclib", NULL, "xmlrpc.client", NULL},
};

/* Tables are searched one by one: the walker asks once for each different name. */
static bool listed(const char *const *list, size_t n, const char *s)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], s) == 0)
            return true;
    return false;
}
#define LISTED(list, s) listed(list, MLO_COUNT(list), s)

static bool ends_with(const char *s, size_t n, const char *end, size_t *ret_rest)
{
    size_t k = strlen(end);
    if (n <= k || memcmp(s + n - k, end, k) != 0)
        return false;
    *ret_rest = n - k;
    return true;
}

static bool is_torch_class(const char *module, const char *name)
{
    static const char *const homes[] = {"torch", "torch.cuda", "torch.cuda.sparse", "torch.sparse"};
    if (!LISTED(homes, module))
        return false;
    if (strcmp(module, "torch") == 0 && LISTED(torch_dtypes, name))
        return true;
    char element[16];
    size_t n = strlen(name), rest;
    if (!ends_with(name, n, "Storage", &rest) && !ends_with(name, n, "Tensor", &rest))
        return false;
    if (rest >= sizeof element)
        return false;
    memcpy(element, name, rest);
    element[rest] = '\0';
    return LISTED(torch_elements, element);
}

/* An undotted exact name of one of the two lists of good names. */
static enum mlo_pickle_verdict judge_listed(const char *module, const char *name, const char *path)
{
    if (strchr(name, '.'))
        return MLO_VERDICT_UNKNOWN;
    if (is_torch_class(module, name) || LISTED(allowed, path))
        return MLO_VERDICT_TENSOR_ONLY;
    return LISTED(known, path) ? MLO_VERDICT_KNOWN : MLO_VERDICT_UNKNOWN;
}

static bool below_dangerous(const char *path)
{
    for (size_t i = 0; i < MLO_COUNT(dangerous); i++) {
        size_t n = strlen(dangerous[i]);
        if (strncmp(path, dangerous[i], n) == 0 && (path[n] == '\0' || path[n] == '.'))
            return true;
    }
    return false;
}

static bool is_bad_part(const char *s, size_t n, bool in_name)
{
    for (size_t i = 0; i < MLO_COUNT(bad_parts); i++)
        if (strlen(bad_parts[i]) == n && memcmp(bad_parts[i], s, n) == 0)
            return true;
    /* Attributes such as __globals__ or __class__ lead anywhere. */
    return in_name && n > 4 && memcmp(s, "__", 2) == 0 && memcmp(s + n - 2, "__", 2) == 0;
}

static bool has_bad_part(const char *path, size_t module_len)
{
    for (size_t i = 0;;) {
        size_t n = strcspn(path + i, ".");
        if (is_bad_part(path + i, n, i > module_len))
            return true;
        i += n;
        if (path[i++] == '\0')
            return false;
    }
}

static enum mlo_pickle_verdict judge_one(const char *module, const char *name)
{
    char path[PATH_MAX_NAME];
    size_t m = strlen(module), n = strlen(name);
    if (m > MLO_PICKLE_NAME_MAX || n > MLO_PICKLE_NAME_MAX)
        return MLO_VERDICT_DANGEROUS; /* nobody names a class so */
    memcpy(path, module, m);
    path[m] = '.';
    memcpy(path + m + 1, name, n + 1);
    enum mlo_pickle_verdict v = judge_listed(module, name, path);
    if (v != MLO_VERDICT_UNKNOWN)
        return v;
    /* Of the built-ins only plain types are let through; exceptions and the rest can do harm when called. */
    if (strcmp(module, "builtins") == 0 || below_dangerous(path) || has_bad_part(path, m))
        return MLO_VERDICT_DANGEROUS;
    return MLO_VERDICT_UNKNOWN;
}

static const struct rename *renamed(const char *module, const char *name)
{
    for (size_t i = 0; i < MLO_COUNT(renames); i++)
        if (strcmp(renames[i].module, module) == 0 &&
            (!renames[i].name || strcmp(renames[i].name, name) == 0))
            return &renames[i];
    return NULL;
}

enum mlo_pickle_verdict mlo_pickle_judge(const char *module, const char *name)
{
    const struct rename *r = renamed(module, name);
    if (!r)
        return judge_one(module, name);
    enum mlo_pickle_verdict mapped = judge_one(r->to_module, r->to_name ? r->to_name : name);
    return judge_one(module, name) == MLO_VERDICT_DANGEROUS ? MLO_VERDICT_DANGEROUS : mapped;
}

bool mlo_pickle_same_global(const char *module, const char *name, const char *want_module,
                            const char *want_name)
{
    const struct rename *r = renamed(module, name);
    if (r) {
        module = r->to_module;
        name = r->to_name ? r->to_name : name;
    }
    return strcmp(module, want_module) == 0 && strcmp(name, want_name) == 0;
}
