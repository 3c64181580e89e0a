/*
 * A set of tokens in which the longest that begins a text is found byte by byte. Children of a node lie side
 * by side; a node of many children has a table besides, so memory stays proportional to the tokens' bytes
 * whatever they are.
 */
#ifndef MLO_EMBED_TRIE_H
#define MLO_EMBED_TRIE_H

#include <mlopsctl/base/mem.h>

#define MLO_TRIE_NONE UINT32_MAX

struct mlo_trie_word {
    const char *ptr; /* borrowed while building */
    uint32_t len, id;
    uint64_t head; /* the first eight bytes: for sorting; filled by mlo_trie_build */
};
struct mlo_trie_node {
    uint32_t id;    /* of the token that ends here, or MLO_TRIE_NONE */
    uint32_t first; /* child, or with a table its number */
    uint16_t n;     /* children; MLO_TRIE_TABLE: all in a table */
};
#define MLO_TRIE_TABLE UINT16_MAX
struct mlo_trie { /* begin with {0} */
    struct mlo_trie_node *nodes;
    uint8_t *bytes; /* by which a node is reached */
    uint32_t (*tables)[256];
    size_t n, nodes_cap, bytes_cap, n_tables, tables_cap;
};
/*
 * Sorts words. Of the same token twice the later word holds; *ret_again (may be NULL) becomes such a word, or
 * NULL. Words are not empty. *ret is to be released also after a failure.
 */
int mlo_trie_build(struct mlo_trie_word *words, size_t n, struct mlo_trie *ret,
                   const struct mlo_trie_word **ret_again, struct mlo_err *err) MLO_MUST_CHECK;
void mlo_trie_release(struct mlo_trie *t);

/* The node below, or 0. */
static inline uint32_t mlo_trie_step(const struct mlo_trie *t, uint32_t node, uint8_t byte)
{
    const struct mlo_trie_node *at = &t->nodes[node];
    if (at->n == MLO_TRIE_TABLE)
        return t->tables[at->first][byte];
    for (uint32_t i = at->first; i < at->first + at->n; i++)
        if (t->bytes[i] == byte)
            return i;
    return 0;
}
/* Length of the longest token that p begins with, below `from`; 0: none. */
static inline size_t mlo_trie_longest(const struct mlo_trie *t, uint32_t from, const char *p, size_t n,
                                      uint32_t *ret_id)
{
    size_t longest = 0;
    uint32_t node = from;
    for (size_t i = 0; i < n && (node = mlo_trie_step(t, node, (uint8_t)p[i])) != 0; i++)
        if (t->nodes[node].id != MLO_TRIE_NONE) {
            longest = i + 1;
            *ret_id = t->nodes[node].id;
        }
    return longest;
}

#endif
