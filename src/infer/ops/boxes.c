/* NonMaxSuppression: of boxes that overlap the one with the highest score stays. As floats, like ONNX
 * Runtime. */
#include <math.h>
#include <string.h>

#include "op.h"

struct box { /* corners */
    float low[2], high[2];
};
struct scored {
    float score;
    size_t box;
};
struct suppression {
    const struct mlo_array *boxes, *scores;
    size_t batch, classes, n, most; /* most: kept of each class of each image */
    float overlap, least;           /* thresholds */
    bool has_least;
    struct box *corners; /* of one image */
    struct scored *sorted;
    size_t *kept;
};

static void read_corners(const struct suppression *s, size_t image, bool centres)
{
    const float *v = (const float *)s->boxes->data + image * s->n * 4;
    for (size_t i = 0; i < s->n; i++, v += 4)
        for (unsigned d = 0; d < 2; d++) {
            struct box *b = &s->corners[i];
            float from = centres ? v[d] - v[d + 2] / 2 : v[d], to = centres ? v[d] + v[d + 2] / 2 : v[d + 2];
            b->low[d] = fminf(from, to);
            b->high[d] = fmaxf(from, to);
        }
}

static float area(const struct box *b)
{
    return (b->high[0] - b->low[0]) * (b->high[1] - b->low[1]);
}

static bool overlaps(const struct suppression *s, const struct box *a, const struct box *b)
{
    struct box both;
    for (unsigned d = 0; d < 2; d++) {
        both.low[d] = fmaxf(a->low[d], b->low[d]);
        both.high[d] = fminf(a->high[d], b->high[d]);
        if (!(both.high[d] > both.low[d]))
            return false;
    }
    float all = area(a) + area(b) - area(&both);
    return area(a) > 0 && area(b) > 0 && all > 0 && area(&both) / all > s->overlap;
}

/* The highest score first; of equal ones the first box. */
static int order_scores(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1) : (x->box > y->box) - (x->box < y->box);
}

/* Boxes of one class of one image that stay, in kept[]; returns how many. */
static size_t suppress(struct suppression *s, size_t row)
{
    const float *scores = (const float *)s->scores->data + row * s->n;
    size_t candidates = 0, n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->has_least ? scores[i] > s->least : !isnan(scores[i]))
            s->sorted[candidates++] = (struct scored){scores[i], i};
    qsort(s->sorted, candidates, sizeof *s->sorted, order_scores);
    for (size_t i = 0; n < s->most && i < candidates; i++) {
        size_t box = s->sorted[i].box;
        bool hidden = false;
        for (size_t k = 0; !hidden && k < n; k++)
            hidden = overlaps(s, &s->corners[box], &s->corners[s->kept[k]]);
        if (!hidden)
            s->kept[n++] = box;
    }
    return n;
}

static int read_suppression(struct mlo_op_call *c, struct suppression *s, struct mlo_err *err)
{
    void *corners, *sorted, *kept;
    double most, overlap, least;
    int rc = mlo_in_typed(c, 0, MLO_DT_F32, &s->boxes, err);
    if (rc == 0)
        rc = mlo_in_typed(c, 1, MLO_DT_F32, &s->scores, err);
    if (rc == 0)
        rc = mlo_in_double(c, 2, 0, &most, err);
    if (rc == 0)
        rc = mlo_in_double(c, 3, 0, &overlap, err);
    if (rc == 0)
        rc = mlo_in_double(c, 4, 0, &least, err);
    if (rc != 0)
        return rc;
    const int64_t *b = s->boxes->dims, *p = s->scores->dims;
    if (s->boxes->rank != 3 || s->scores->rank != 3 || b[2] != 4 || b[0] != p[0] || b[1] != p[2])
        return mlo_op_refuse(c, err, "boxes and scores that do not fit");
    s->batch = (size_t)b[0];
    s->classes = (size_t)p[1];
    s->n = (size_t)b[1];
    s->most = most > 0 ? (most < (double)s->n ? (size_t)most : s->n) : 0;
    s->overlap = (float)overlap;
    s->least = (float)least;
    s->has_least = mlo_in(c, 4) != NULL;
    rc = mlo_scratch(c, s->n, sizeof *s->corners, &corners, err);
    if (rc == 0)
        rc = mlo_scratch(c, s->n, sizeof *s->sorted, &sorted, err);
    if (rc == 0)
        rc = mlo_scratch(c, s->n, sizeof *s->kept, &kept, err);
    if (rc != 0)
        return rc;
    s->corners = corners;
    s->sorted = sorted;
    s->kept = kept;
    return 0;
}

/* Rows of image, class, box. to NULL: only counted. */
static size_t suppress_all(struct suppression *s, bool centres, int64_t *to)
{
    size_t rows = 0;
    for (size_t image = 0; s->most && image < s->batch; image++) {
        read_corners(s, image, centres);
        for (size_t class = 0; class < s->classes; class ++) {
            size_t n = suppress(s, image * s->classes + class);
            for (size_t i = 0; to && i < n; i++) {
                int64_t *row = to + (rows + i) * 3;
                row[0] = (int64_t)image;
                row[1] = (int64_t) class;
                row[2] = (int64_t)s->kept[i];
            }
            rows += n;
        }
    }
    return rows;
}

static int run_suppression(struct mlo_op_call *c, struct mlo_err *err)
{
    struct suppression s = {0};
    bool centres = mlo_attr_int(c->node, "center_point_box", 0) != 0;
    struct mlo_array *out;
    int rc = read_suppression(c, &s, err);
    if (rc != 0)
        return rc;
    const int64_t dims[2] = {(int64_t)suppress_all(&s, centres, NULL), 3};
    rc = mlo_out_new(c, 0, MLO_DT_I64, dims, 2, &out, err);
    if (rc == 0 && out)
        suppress_all(&s, centres, out->data);
    return rc;
}

static const struct mlo_op ops[] = {
    {.name = "NonMaxSuppression", .since = 10, .run = run_suppression},
};
const struct mlo_op_family mlo_ops_boxes = {"", ops, MLO_COUNT(ops)};
