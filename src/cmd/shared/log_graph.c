/* See log_graph.h. A lane is as wide as one character and a gap; a free lane is used again. */
#include "log_graph.h"

#include <string.h>

void mlo_graph_release(struct mlo_graph *g)
{
    for (size_t i = 0; i < g->n; i++)
        free(g->lanes[i].runs);
    free(g->lanes);
    *g = (struct mlo_graph){0};
}

static int free_lane(struct mlo_graph *g, size_t *ret, struct mlo_err *err)
{
    size_t i = 0;
    while (i < g->n && g->lanes[i].open)
        i++;
    if (i == g->n) {
        int rc = mlo_grow(&g->lanes, &g->cap, g->n + 1, sizeof *g->lanes, err);
        if (rc)
            return rc;
        g->lanes[g->n++] = (struct mlo_graph_lane){0};
    }
    g->lanes[i].n = 0;
    *ret = i;
    return 0;
}

static int note_undone(void *ctx, const struct mlo_effect *e, struct mlo_err *err)
{
    struct mlo_graph_lane *lane = ctx;
    if (strcmp(e->kind, "run") != 0 || !e->after || strcmp(e->after, "undone") != 0)
        return 0;
    int rc = mlo_grow(&lane->runs, &lane->cap, lane->n + 1, sizeof *lane->runs, err);
    if (rc)
        return rc;
    int64_t run = strtoll(e->target, NULL, 10);
    if (!lane->n || run < lane->last)
        lane->last = run;
    lane->runs[lane->n++] = run;
    return 0;
}

/* *ret: the lane that begins at this run, or g->n. */
static int begin_lane(struct mlo_graph *g, struct mlo_ledger *l, const struct mlo_run_row *row, size_t *ret,
                      struct mlo_err *err)
{
    size_t i = g->n;
    *ret = SIZE_MAX;
    if (!row->undo_of)
        return 0;
    int rc = free_lane(g, &i, err);
    if (!rc)
        rc = mlo_effect_each(l, row->id, note_undone, &g->lanes[i], err);
    if (rc || !g->lanes[i].n)
        return rc;
    g->lanes[i].open = true;
    *ret = i;
    return 0;
}

static bool touches(const struct mlo_graph_lane *lane, int64_t run)
{
    for (size_t i = 0; i < lane->n; i++)
        if (lane->runs[i] == run)
            return true;
    return false;
}

static char lane_char(const struct mlo_graph_lane *lane, int64_t run, bool begins, bool crossed)
{
    if (begins)
        return '.';
    if (!lane->open)
        return crossed ? '-' : ' ';
    if (!touches(lane, run))
        return '|';
    return run == lane->last ? '\'' : '+';
}

int mlo_graph_line(struct mlo_graph *g, struct mlo_ledger *l, const struct mlo_run_row *row,
                   struct mlo_str *out, struct mlo_err *err)
{
    size_t begun = SIZE_MAX, reach = 0;
    int rc = begin_lane(g, l, row, &begun, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < g->n; i++)
        if (g->lanes[i].open && (i == begun || touches(&g->lanes[i], row->id)))
            reach = i + 1;
    mlo_str_addc(out, row->undone_by ? 'x' : '*');
    for (size_t i = 0; i < g->n; i++) {
        struct mlo_graph_lane *lane = &g->lanes[i];
        mlo_str_addc(out, i < reach ? '-' : ' ');
        mlo_str_addc(out, lane_char(lane, row->id, i == begun, i < reach));
        if (lane->open && i != begun && row->id <= lane->last)
            lane->open = false;
    }
    while (out->len && out->ptr[out->len - 1] == ' ')
        out->ptr[--out->len] = '\0';
    return mlo_str_check(out, err);
}
