/* Building the trie: tokens are sorted, so that those below a node lie side by side; level after level. */
#include "trie.h"

#include <string.h>

#define CHILDREN_SEARCHED 12 /* more are looked up in a table */

static uint64_t head_of(const char *p, size_t n)
{
    uint64_t head = 0;
    for (size_t i = 0; i < 8; i++)
        head = head << 8 | (i < n ? (uint8_t)p[i] : 0);
    return head;
}

/* Words with the same head. */
static int compare_words(const void *pa, const void *pb)
{
    const struct mlo_trie_word *a = pa, *b = pb;
    int c = memcmp(a->ptr, b->ptr, a->len < b->len ? a->len : b->len);
    if (c != 0 || a->len != b->len)
        return c ? c : a->len < b->len ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* By the byte of the head that stands `shift` bits up; stable. */
static void sort_by_byte(const struct mlo_trie_word *from, size_t n, unsigned shift, struct mlo_trie_word *to)
{
    size_t at[257] = {0};
    for (size_t i = 0; i < n; i++)
        at[(from[i].head >> shift & 255) + 1]++;
    for (size_t k = 1; k < 257; k++)
        at[k] += at[k - 1];
    for (size_t i = 0; i < n; i++)
        to[at[from[i].head >> shift & 255]++] = from[i];
}

/* By their first bytes in eight passes, then those that have the same ones by the rest. */
static int sort_words(struct mlo_trie_word *words, size_t n, struct mlo_err *err)
{
    MLO_AUTOFREE struct mlo_trie_word *other = mlo_calloc(n + 1, sizeof *other, err);
    if (!other)
        return err->code;
    for (size_t i = 0; i < n; i++)
        words[i].head = head_of(words[i].ptr, words[i].len);
    for (unsigned shift = 0; shift < 64; shift += 16) {
        sort_by_byte(words, n, shift, other);
        sort_by_byte(other, n, shift + 8, words);
    }
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && words[end].head == words[i].head;)
            end++;
        if (end - i > 1)
            qsort(words + i, end - i, sizeof *words, compare_words);
    }
    return 0;
}

struct range { /* the words below a node */
    uint32_t first, last, depth;
};
struct building {
    struct mlo_trie *trie;
    const struct mlo_trie_word *words, *again;
    struct range *ranges; /* of each node */
    size_t ranges_cap;
};

static int add_node(struct building *b, uint8_t byte, struct range r, struct mlo_err *err)
{
    struct mlo_trie *t = b->trie;
    if (mlo_grow(&t->nodes, &t->nodes_cap, t->n + 1, sizeof *t->nodes, err) != 0 ||
        mlo_grow(&t->bytes, &t->bytes_cap, t->n + 1, 1, err) != 0 ||
        mlo_grow(&b->ranges, &b->ranges_cap, t->n + 1, sizeof *b->ranges, err) != 0)
        return err->code;
    t->nodes[t->n] = (struct mlo_trie_node){.id = MLO_TRIE_NONE};
    t->bytes[t->n] = byte;
    b->ranges[t->n++] = r;
    return 0;
}

/* One child for each byte that follows in the words below a node. */
static int add_children(struct building *b, uint32_t node, struct mlo_err *err)
{
    struct mlo_trie *t = b->trie;
    struct range r = b->ranges[node];
    uint32_t first = (uint32_t)t->n;
    for (; r.first < r.last && b->words[r.first].len == r.depth; r.first++) {
        if (t->nodes[node].id != MLO_TRIE_NONE)
            b->again = &b->words[r.first];
        t->nodes[node].id = b->words[r.first].id;
    }
    for (uint32_t i = r.first, end; i < r.last; i = end) {
        char byte = b->words[i].ptr[r.depth];
        for (end = i + 1; end < r.last && b->words[end].ptr[r.depth] == byte;)
            end++;
        if (add_node(b, (uint8_t)byte, (struct range){i, end, r.depth + 1}, err) != 0)
            return err->code;
    }
    t->nodes[node].first = first;
    t->nodes[node].n = (uint16_t)(t->n - first);
    return 0;
}

static int add_table(struct mlo_trie *t, struct mlo_trie_node *node, struct mlo_err *err)
{
    if (mlo_grow(&t->tables, &t->tables_cap, t->n_tables + 1, sizeof *t->tables, err) != 0)
        return err->code;
    uint32_t *table = t->tables[t->n_tables];
    memset(table, 0, sizeof *t->tables);
    for (uint32_t i = node->first; i < node->first + node->n; i++)
        table[t->bytes[i]] = i;
    node->first = (uint32_t)t->n_tables++;
    node->n = MLO_TRIE_TABLE;
    return 0;
}

int mlo_trie_build(struct mlo_trie_word *words, size_t n, struct mlo_trie *ret,
                   const struct mlo_trie_word **ret_again, struct mlo_err *err)
{
    struct building b = {.trie = ret, .words = words};
    int rc = sort_words(words, n, err);
    if (rc == 0)
        rc = add_node(&b, 0, (struct range){0, (uint32_t)n, 0}, err);
    for (uint32_t node = 0; rc == 0 && node < ret->n; node++) {
        rc = add_children(&b, node, err);
        if (rc == 0 && ret->nodes[node].n > CHILDREN_SEARCHED)
            rc = add_table(ret, &ret->nodes[node], err);
    }
    free(b.ranges);
    if (ret_again)
        *ret_again = b.again;
    return rc;
}

void mlo_trie_release(struct mlo_trie *t)
{
    free(t->nodes);
    free(t->bytes);
    free(t->tables);
    *t = (struct mlo_trie){0};
}
