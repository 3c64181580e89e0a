/* What all texts of a column look like, as a pattern: "AB-1234" and "XY-77" are [A-Z]{2}-[0-9]{2,4}. */
#ifndef MLO_VALIDATE_SHAPE_H
#define MLO_VALIDATE_SHAPE_H

#include <mlopsctl/table.h>

#define MLO_SHAPE_RUNS 12
struct mlo_shape {
    uint64_t texts;
    bool none;     /* they have no pattern in common */
    unsigned runs; /* of one class of characters, or one character again and again */
    struct {
        char of; /* '0', 'A', 'a': a class; else the character itself */
        uint32_t min, max;
    } run[MLO_SHAPE_RUNS];
};
void mlo_shape_add(struct mlo_shape *s, struct mlo_slice text);
void mlo_shape_merge(struct mlo_shape *s, const struct mlo_shape *other);
/* False when there is none worth a rule: words of letters alone have none. */
bool mlo_shape_pattern(const struct mlo_shape *s, struct mlo_str *out);
/* Logarithm of how many texts have that pattern: of the shortest of them, and of the longest. 0 and infinity
 * when they have none. */
void mlo_shape_log_space(const struct mlo_shape *s, double *ret_least, double *ret_most);

#endif
