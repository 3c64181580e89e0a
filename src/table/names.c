/* How types are spelt; columns of one name are told apart. */
#include "names.h"

#include <string.h>

const char *const mlo_column_type_words[MLO_COLUMN_TYPES] = {[MLO_COLUMN_NUMBER] = "number",
                                                             [MLO_COLUMN_TEXT] = "text",
                                                             [MLO_COLUMN_BOOL] = "bool",
                                                             [MLO_COLUMN_TIME] = "time"};

static int rename_double(struct mlo_name_map *s, struct mlo_table_column *c, struct mlo_err *err)
{
    MLO_AUTOSTR struct mlo_str name;
    mlo_str_init(&name, MLO_TABLE_LINE_MAX);
    for (unsigned k = 1;; k++) {
        mlo_str_clear(&name);
        mlo_str_addf(&name, "%s.%u", c->name, k);
        int rc = mlo_str_check(&name, err);
        if (rc != 0)
            return rc;
        if (mlo_name_map_get(s, name.ptr, name.len) == MLO_NAME_NONE)
            break;
    }
    free(c->name);
    c->name = mlo_str_detach(&name, NULL);
    return 0;
}

int mlo_names_unique(struct mlo_table_column *columns, size_t n, struct mlo_err *err)
{
    struct mlo_name_map names = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (mlo_name_map_get(&names, columns[i].name, strlen(columns[i].name)) != MLO_NAME_NONE)
            rc = rename_double(&names, &columns[i], err);
        if (rc == 0)
            rc = mlo_name_map_set(&names, columns[i].name, i, err);
    }
    mlo_name_map_release(&names);
    return rc;
}
