/* Which GPU types would do, and their order. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include <mlopsctl/runpod.h>

#define NONE          MLO_RUNPOD_STOCK_NONE
#define LOW           MLO_RUNPOD_STOCK_LOW
#define MEDIUM        MLO_RUNPOD_STOCK_MEDIUM
#define HIGH          MLO_RUNPOD_STOCK_HIGH
#define TEXT(literal) ((char[]){literal}) /* not constant, as the struct wants it */

static struct mlo_runpod_place h200_places[] = {{TEXT("US-CA-2"), NULL, LOW}, {TEXT("EU-RO-1"), NULL, HIGH}};
static struct mlo_runpod_place rtx_places[] = {{TEXT("US-CA-2"), NULL, HIGH}, {TEXT("EU-RO-1"), NULL, NONE}};

#define GPU(gpu_id, gpu_name, maker, gb, sec, com, most, in_stock, ...)                                      \
    {                                                                                                        \
        .id = TEXT(gpu_id), .name = TEXT(gpu_name), .manufacturer = TEXT(maker), .memory_gb = (gb),          \
        .secure = (sec) > 0, .community = (com) > 0, .price_secure = (sec), .price_community = (com),        \
        .price_serverless = (sec)*2, .max_secure = (most), .max_community = (most) / 2, .stock = (in_stock), \
        __VA_ARGS__                                                                                          \
    }

static struct mlo_runpod_gpu types[] = {
    GPU("NVIDIA H200 NVL", "H200 NVL", "NVIDIA", 143, 3.0, 0, 8, LOW, .data_centers = {0}),
    GPU("NVIDIA H200", "H200 SXM", "NVIDIA", 141, 3.59, 0, 8, HIGH, .data_centers = {h200_places, 2}),
    GPU("NVIDIA GeForce RTX 4090", "RTX 4090", "NVIDIA", 24, 0.69, 0.34, 8, HIGH,
        .data_centers = {rtx_places, 2}),
    GPU("NVIDIA L4", "L4", "NVIDIA", 24, 0.43, 0, 4, NONE, .data_centers = {0}),
    GPU("NVIDIA A40", "A40", "NVIDIA", 48, 0.40, 0, 8, LOW, .data_centers = {0}),
    GPU("NVIDIA RTX A6000", "RTX A6000", "NVIDIA", 48, 0.40, 0.33, 8, MEDIUM, .data_centers = {0}),
    GPU("AMD Instinct MI300X OAM", "MI300X", "AMD", 192, 2.99, 0, 8, HIGH, .data_centers = {0}),
    GPU("NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb", "MIG 24", "NVIDIA", 24, 0.30, 0, 8, HIGH,
        .data_centers = {0}),
    GPU("unknown", "unknown", "UNKNOWN", 300, 0.01, 0.01, 8, HIGH, .data_centers = {0}),
};
static const struct mlo_runpod_gpus all = {types, sizeof types / sizeof types[0]};

/* The names of what is chosen, with spaces between. */
static const char *chosen(const struct mlo_runpod_need *need, size_t *ret_dear)
{
    static char text[512];
    struct mlo_runpod_candidate *list = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    size_t n = 0;
    text[0] = '\0';
    if (!check_ok(mlo_runpod_choose(&all, need, &list, &n, ret_dear, &err), &err))
        return "failed";
    for (size_t i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s %.2f", i ? ", " : "",
                 list[i].gpu->name, list[i].price);
    free(list);
    return text;
}

static void the_cheapest_first_then_the_better_stocked(void)
{
    check_str(chosen(&(struct mlo_runpod_need){.min_memory_gb = 24}, NULL),
              "RTX A6000 0.40, A40 0.40, RTX 4090 0.69, H200 NVL 3.00, H200 SXM 3.59");
    check_str(chosen(&(struct mlo_runpod_need){.min_memory_gb = 141}, NULL), "H200 NVL 3.00, H200 SXM 3.59");
    check_str(chosen(&(struct mlo_runpod_need){.min_memory_gb = 400}, NULL), "");
}

static void count_multiplies_the_price_and_bounds_the_host(void)
{
    check_str(chosen(&(struct mlo_runpod_need){.min_memory_gb = 100, .count = 8}, NULL),
              "H200 NVL 24.00, H200 SXM 28.72");
    check_str(chosen(&(struct mlo_runpod_need){.count = 9}, NULL), "");
}

static void clouds_have_their_own_prices(void)
{
    check_str(chosen(&(struct mlo_runpod_need){.community = true}, NULL), "RTX A6000 0.33, RTX 4090 0.34");
    check_str(chosen(&(struct mlo_runpod_need){.community = true, .count = 5}, NULL), "");
    check_str(chosen(&(struct mlo_runpod_need){.serverless = true, .min_memory_gb = 141}, NULL),
              "H200 NVL 6.00, H200 SXM 7.18");
}

static void a_price_limit_tells_how_many_it_kept_out(void)
{
    size_t dear = 0;
    check_str(chosen(&(struct mlo_runpod_need){.max_price = 0.7}, &dear),
              "RTX A6000 0.40, A40 0.40, RTX 4090 0.69");
    check_int(dear, 2);
}

static void a_data_center_must_have_it(void)
{
    const char *ro[] = {"eu-ro-1"}, *both[] = {"EU-RO-1", "US-CA-2"};
    check_str(chosen(&(struct mlo_runpod_need){.data_centers = {ro, 1}}, NULL), "H200 SXM 3.59");
    check_str(chosen(&(struct mlo_runpod_need){.data_centers = {both, 2}}, NULL),
              "RTX 4090 0.69, H200 SXM 3.59");
    check_str(
        chosen(&(struct mlo_runpod_need){.data_centers = {ro, 1}, .out_of_stock = true, .max_price = 0.7},
               NULL),
        "A40 0.40, RTX A6000 0.40, L4 0.43, RTX 4090 0.69");
}

static void named_types_come_in_their_order(void)
{
    const char *ids[] = {"NVIDIA H200", "a6000", "MI300X", "NVIDIA GeForce RTX 4090", "MIG 1g.24gb"};
    check_str(chosen(&(struct mlo_runpod_need){.ids = {ids, 5}}, NULL),
              "H200 SXM 3.59, RTX A6000 0.40, MI300X 2.99, RTX 4090 0.69, MIG 24 0.30");
    check_str(chosen(&(struct mlo_runpod_need){.ids = {ids, 5}, .manufacturer = "AMD"}, NULL), "MI300X 2.99");
}

static void makers_and_slices_are_asked_for(void)
{
    check_str(chosen(&(struct mlo_runpod_need){.manufacturer = "amd"}, NULL), "MI300X 2.99");
    check_str(chosen(&(struct mlo_runpod_need){.manufacturer = "", .min_memory_gb = 100}, NULL),
              "MI300X 2.99, H200 NVL 3.00, H200 SXM 3.59");
    check_str(chosen(&(struct mlo_runpod_need){.slices = true, .max_price = 0.35}, NULL), "MIG 24 0.30");
}

static void a_word_names_types_by_whole_words(void)
{
    const char *part[] = {"h200"}, *whole[] = {"nvidia h200"}, *name[] = {"H200 sxm"};
    check(mlo_runpod_gpu_is(&types[1], "NVIDIA H200") && mlo_runpod_gpu_is(&types[1], "h200"), "H200");
    check(!mlo_runpod_gpu_is(&types[1], "200") && !mlo_runpod_gpu_is(&types[1], ""), "whole words only");
    check(!mlo_runpod_gpu_is(&types[1], "H20") && mlo_runpod_gpu_is(&types[1], "SXM"), "by its name");
    check_str(chosen(&(struct mlo_runpod_need){.ids = {part, 1}}, NULL), "H200 NVL 3.00, H200 SXM 3.59");
    check_str(chosen(&(struct mlo_runpod_need){.ids = {whole, 1}}, NULL), "H200 SXM 3.59");
    check_str(chosen(&(struct mlo_runpod_need){.ids = {name, 1}}, NULL), "H200 SXM 3.59");
}

static int choose_once(void)
{
    struct mlo_runpod_candidate *list = NULL;
    struct mlo_err err = MLO_ERR_INIT;
    size_t n;
    int rc = mlo_runpod_choose(&all, &(struct mlo_runpod_need){0}, &list, &n, NULL, &err);
    if (rc == 0)
        free(list);
    return rc;
}

static void memory_may_run_out(void)
{
    check(each_alloc_failure(choose_once) >= 2, "allocations");
}

int main(void)
{
    run(the_cheapest_first_then_the_better_stocked);
    run(count_multiplies_the_price_and_bounds_the_host);
    run(clouds_have_their_own_prices);
    run(a_price_limit_tells_how_many_it_kept_out);
    run(a_data_center_must_have_it);
    run(named_types_come_in_their_order);
    run(makers_and_slices_are_asked_for);
    run(a_word_names_types_by_whole_words);
    run(memory_may_run_out);
    return done_testing();
}
