/* One section of a settings file as a list of nodes: for commands whose rules are more than key and value. */
#include <string.h>

#include "internal.h"

struct mlo_config_tree {
    struct mlo_yaml doc; /* holds the text */
    struct mlo_config_node *nodes;
    size_t n;
};

void mlo_config_tree_free(struct mlo_config_tree *t)
{
    if (!t)
        return;
    mlo_yaml_release(&t->doc);
    free(t->nodes);
    free(t);
}

static const struct mlo_yaml_entry *find_section(const struct mlo_yaml *doc, const char *section)
{
    for (size_t i = 0; i < doc->n; i++)
        if (doc->entries[i].depth == 1 && strcmp(doc->entries[i].path, section) == 0)
            return &doc->entries[i];
    return NULL;
}

static int take_section(struct mlo_config_tree *t, const char *file, const char *section, struct mlo_err *err)
{
    const struct mlo_yaml_entry *e = find_section(&t->doc, section);
    if (!e || (!e->inner && !e->value))
        return mlo_fail(err, MLO_ENOTFOUND, "'%s' has no section '%s'", file, section);
    if (!e->inner)
        return mlo_fail(err, MLO_EUSAGE, "%s:%zu: %s must be a mapping", file, e->line, section);
    const struct mlo_yaml_entry *end = t->doc.entries + t->doc.n;
    t->nodes = mlo_calloc((size_t)(end - e), sizeof *t->nodes, err);
    if (!t->nodes)
        return MLO_EIO;
    for (e++; e < end && e->depth > 1; e++)
        t->nodes[t->n++] = (struct mlo_config_node){e->path + e->key, e->value, e->line, e->depth - 1,
                                                    e->inner};
    return 0;
}

int mlo_config_tree_read(const char *file, const char *text, size_t n, const char *section,
                         struct mlo_config_tree **ret, struct mlo_err *err)
{
    struct mlo_config_tree *t = mlo_calloc(1, sizeof *t, err);
    if (!t)
        return MLO_EIO;
    int rc = mlo_yaml_parse(file, text, n, &t->doc, err);
    if (rc == 0)
        rc = take_section(t, file, section, err);
    if (rc != 0)
        mlo_config_tree_free(t);
    else
        *ret = t;
    return rc;
}

const struct mlo_config_node *mlo_config_tree_nodes(const struct mlo_config_tree *t, size_t *ret_n)
{
    *ret_n = t->n;
    return t->nodes;
}
