/* What a file is for, in ModelPack's five words. */
#include <fnmatch.h>
#include <string.h>

#include "internal.h"

static const struct {
    const char *glob; /* against the base name, without regard to case; the first that fits decides */
    enum mlo_kind kind;
} by_name[] = {
    {"readme*", MLO_KIND_DOC},
    {"licen[sc]e*", MLO_KIND_DOC},
    {"copying*", MLO_KIND_DOC},
    {"notice*", MLO_KIND_DOC},
    {"changelog*", MLO_KIND_DOC},
    {"citation*", MLO_KIND_DOC},
    {"requirements*.txt", MLO_KIND_CODE},
    {"pyproject.toml", MLO_KIND_CODE},
    {"setup.cfg", MLO_KIND_CODE},
    {"environment*.y*ml", MLO_KIND_CODE},
    {"conda*.y*ml", MLO_KIND_CODE},
    {"pipfile*", MLO_KIND_CODE},
    {"*.lock", MLO_KIND_CODE},
    {"dockerfile*", MLO_KIND_CODE},
    {"makefile*", MLO_KIND_CODE},
    {"tokenizer*", MLO_KIND_CONFIG},
    {"vocab*", MLO_KIND_CONFIG},
    {"merges.txt", MLO_KIND_CONFIG},
    {"spiece.model", MLO_KIND_CONFIG},
    {"sentencepiece*", MLO_KIND_CONFIG},
    {"*.tiktoken", MLO_KIND_CONFIG},
    {"*.spm", MLO_KIND_CONFIG},
    {"*.jinja*", MLO_KIND_CONFIG},
    {"*.json", MLO_KIND_CONFIG},
    {"*.y*ml", MLO_KIND_CONFIG},
    {"*.toml", MLO_KIND_CONFIG},
    {"*.ini", MLO_KIND_CONFIG},
    {"*.cfg", MLO_KIND_CONFIG},
    {"*.py", MLO_KIND_CODE},
    {"*.ipynb", MLO_KIND_CODE},
    {"*.[chr]", MLO_KIND_CODE},
    {"*.cc", MLO_KIND_CODE},
    {"*.cpp", MLO_KIND_CODE},
    {"*.hpp", MLO_KIND_CODE},
    {"*.cu", MLO_KIND_CODE},
    {"*.go", MLO_KIND_CODE},
    {"*.rs", MLO_KIND_CODE},
    {"*.java", MLO_KIND_CODE},
    {"*.scala", MLO_KIND_CODE},
    {"*.js", MLO_KIND_CODE},
    {"*.ts", MLO_KIND_CODE},
    {"*.sh", MLO_KIND_CODE},
    {"*.jl", MLO_KIND_CODE},
    {"*.sql", MLO_KIND_CODE},
    {"*.[ct]sv", MLO_KIND_DATASET},
    {"*.[ct]sv.*", MLO_KIND_DATASET},
    {"*.jsonl*", MLO_KIND_DATASET},
    {"*.ndjson*", MLO_KIND_DATASET},
    {"*.parquet", MLO_KIND_DATASET},
    {"*.arrow", MLO_KIND_DATASET},
    {"*.feather", MLO_KIND_DATASET},
    {"*.avro", MLO_KIND_DATASET},
    {"*.orc", MLO_KIND_DATASET},
    {"*.tfrecord*", MLO_KIND_DATASET},
    {"*.bin", MLO_KIND_WEIGHT},
    {"*.onnx.data", MLO_KIND_WEIGHT},
    {"*.onnx_data", MLO_KIND_WEIGHT},
};

static bool holds_weights(enum mlo_format f)
{
    return f != MLO_FMT_UNKNOWN && f != MLO_FMT_ZIP && f != MLO_FMT_COMPRESSED;
}

enum mlo_kind mlo_classify(const char *path, enum mlo_format format)
{
    if (holds_weights(format))
        return MLO_KIND_WEIGHT;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < MLO_COUNT(by_name); i++)
        if (fnmatch(by_name[i].glob, name, FNM_CASEFOLD) == 0)
            return by_name[i].kind;
    return MLO_KIND_DOC;
}
