/* Leases: what name, environment and ledger say, and what becomes of a pod. */
#include "tap.h"

#include <string.h>

#include <mlopsctl/base/time.h>
#include <mlopsctl/runpod.h>

#define EARLY "2026-11-21T12:00:00Z"
#define LATE  "2026-11-21T14:00:00Z"

static int64_t at(const char *text)
{
    int64_t ns = 0;
    struct mlo_err err = MLO_ERR_INIT;
    check_ok(mlo_time_parse(text, &ns, &err), &err);
    return ns;
}

/* A pod with this name and lease variable (NULL: none), marked. */
static const struct mlo_runpod_pod *pod(const char *name, const char *variable)
{
    static struct mlo_runpod_var vars[2];
    static struct mlo_runpod_pod p;
    static char text[2][200];
    snprintf(text[0], sizeof text[0], "%s", name);
    snprintf(text[1], sizeof text[1], "%s", variable ? variable : "");
    static char mark[] = MLO_RUNPOD_MARK, value[] = "abc", lease[] = MLO_RUNPOD_LEASE;
    vars[0] = (struct mlo_runpod_var){mark, value};
    vars[1] = (struct mlo_runpod_var){lease, text[1]};
    p = (struct mlo_runpod_pod){
        .name = text[0], .status = MLO_RUNPOD_POD_RUNNING, .env = {vars, variable ? 2 : 1}};
    return &p;
}

static void the_variable_says_it(void)
{
    struct mlo_runpod_lease l = mlo_runpod_lease_of(pod("train", EARLY), NULL);
    check(l.marked && !l.endless && l.end_ns == at(EARLY), "an end");
    l = mlo_runpod_lease_of(pod("train", "none"), NULL);
    check(l.endless && !l.end_ns, "none on purpose");
    l = mlo_runpod_lease_of(pod("train", "soon"), NULL);
    check(l.marked && !l.endless && !l.end_ns, "nonsense is nothing");
    l = mlo_runpod_lease_of(pod("train", NULL), NULL);
    check(!l.endless && !l.end_ns, "nothing");
}

static void a_stale_record_ends_nothing_early(void)
{
    check(mlo_runpod_lease_of(pod("train", LATE), EARLY).end_ns == at(LATE), "renewed elsewhere");
    check(mlo_runpod_lease_of(pod("train", EARLY), LATE).end_ns == at(LATE), "renewed here");
    check(mlo_runpod_lease_of(pod("train", NULL), LATE).end_ns == at(LATE), "the variable was removed");
    check(mlo_runpod_lease_of(pod("train", EARLY), "none").endless, "taken away here");
}

static void a_name_is_stronger(void)
{
    struct mlo_runpod_lease l = mlo_runpod_lease_of(pod("train (lease " EARLY ")", LATE), LATE);
    check(l.end_ns == at(EARLY), "shortened");
    l = mlo_runpod_lease_of(pod("train (lease none)", EARLY), EARLY);
    check(l.endless && !l.end_ns, "taken away");
    l = mlo_runpod_lease_of(pod("train (lease soon)", EARLY), NULL);
    check(l.end_ns == at(EARLY), "what is no lease is a name");
}

static const char *renamed(const char *name, int64_t end)
{
    static char out[200];
    struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    mlo_runpod_lease_name(&s, name, end);
    snprintf(out, sizeof out, "%s", s.ptr);
    mlo_str_release(&s);
    return out;
}

static void names_take_one_lease(void)
{
    check_str(renamed("train", at(EARLY)), "train (lease " EARLY ")");
    check_str(renamed("train (lease " EARLY ")", at(LATE)), "train (lease " LATE ")");
    check_str(renamed("train (lease " EARLY ")", 0), "train (lease none)");
    check_str(renamed("a (lease b", at(LATE)), "a (lease b (lease " LATE ")");
    check_str(renamed("", at(LATE)), " (lease " LATE ")");
    check_int(mlo_runpod_lease_name_length("train (lease " EARLY ")"), 5);
    check_int(mlo_runpod_lease_name_length("train (lease )"), 14);
    check_int(mlo_runpod_lease_name_length("(lease none)"), 12);
    static const char too_long[] =
        "x (lease aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)";
    check_int(mlo_runpod_lease_name_length(too_long), strlen(too_long));
}

static enum mlo_runpod_fate fate_of(const struct mlo_runpod_pod *p, bool taken_back, bool stopped,
                                    bool orphans)
{
    struct mlo_runpod_lease l = mlo_runpod_lease_of(p, NULL);
    struct mlo_runpod_reap how = {at("2026-11-21T13:00:00Z"), stopped, orphans};
    return mlo_runpod_fate(p, &l, taken_back, &how);
}

static void fates(void)
{
    check_int(fate_of(pod("a", LATE), false, true, true), MLO_RUNPOD_KEEP);
    check_int(fate_of(pod("a", EARLY), false, false, false), MLO_RUNPOD_OVER);
    check_int(fate_of(pod("a", "none"), false, true, true), MLO_RUNPOD_KEEP);
    check_int(fate_of(pod("a", LATE), true, false, false), MLO_RUNPOD_LOST);
    check_int(fate_of(pod("a", NULL), false, true, false), MLO_RUNPOD_KEEP);
    check_int(fate_of(pod("a", NULL), false, false, true), MLO_RUNPOD_ORPHAN);
}

static void what_somebody_holds_on_to_is_kept(void)
{
    struct mlo_runpod_pod p = *pod("a", EARLY);
    p.locked = true;
    check_int(fate_of(&p, true, true, true), MLO_RUNPOD_KEEP);
    p.locked = false;
    p.cluster = p.name;
    check_int(fate_of(&p, true, true, true), MLO_RUNPOD_KEEP);
    p.cluster = NULL;
    p.status = MLO_RUNPOD_POD_TERMINATED;
    check_int(fate_of(&p, true, true, true), MLO_RUNPOD_KEEP);
}

static void stopped_pods_go_when_asked_for(void)
{
    struct mlo_runpod_pod p = *pod("a", LATE);
    p.status = MLO_RUNPOD_POD_EXITED;
    check_int(fate_of(&p, false, false, false), MLO_RUNPOD_KEEP);
    check_int(fate_of(&p, false, true, false), MLO_RUNPOD_STOPPED);
    p.env.n = 0; /* not ours */
    check_int(fate_of(&p, false, true, false), MLO_RUNPOD_KEEP);
    check_int(fate_of(&p, true, true, true), MLO_RUNPOD_ORPHAN);
}

int main(void)
{
    run(the_variable_says_it);
    run(a_stale_record_ends_nothing_early);
    run(a_name_is_stronger);
    run(names_take_one_lease);
    run(fates);
    run(what_somebody_holds_on_to_is_kept);
    run(stopped_pods_go_when_asked_for);
    return done_testing();
}
