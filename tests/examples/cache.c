/* cache.c: a cache that survives its own crashes */
#include <stdio.h>
#include <troupe/troupe.h>

enum { GET = 1, SAVE };
struct cache {
    char value[32];
};

static int cache_init(void *state, const tr_msg *arg)
{
    *(struct cache *)state = *(const struct cache *)tr_expect(arg, sizeof(struct cache));
    return TR_OK;
}

static int cache_call(void *state, const tr_msg *request, tr_from from)
{
    if (tr_tag(request) != GET)
        return tr_unexpected(request); /* let it crash: the supervisor starts a fresh one */
    return tr_reply(from, state, sizeof(struct cache));
}

static int cache_cast(void *state, const tr_msg *message)
{
    if (tr_tag(message) != SAVE)
        return tr_unexpected(message);
    *(struct cache *)state = *(const struct cache *)tr_expect(message, sizeof(struct cache));
    return TR_OK;
}

static const tr_gen_server cache = {
    .label = "cache",
    .state_size = sizeof(struct cache),
    .init = cache_init,
    .handle_call = cache_call,
    .handle_cast = cache_cast,
};
static const struct cache empty = { "empty" };
static const tr_child children[] = { { .name = "cache", .server = &cache, .arg = &empty, .arg_size = sizeof empty } };
static const tr_supervisor root = { .strategy = TR_ONE_FOR_ONE,
                                    .children = children,
                                    .child_count = TR_COUNT(children) };

static void show(const char *when)
{
    struct cache now;
    tr_call_or_exit(tr_name("cache"), GET, NULL, 0, &now, sizeof now, 5000);
    printf("%s: %s\n", when, now.value);
}

static void session(const tr_msg *unused)
{
    (void)unused;
    tr_pid supervisor;
    tr_child_counts counts;
    tr_must(tr_start_link(&(tr_child){ .supervisor = &root }, &supervisor));
    show("at start");
    tr_cast(tr_name("cache"), SAVE, &(struct cache){ "hello" }, sizeof(struct cache));
    show("saved");

    tr_pid first = tr_whereis("cache");
    tr_ref monitor = tr_monitor(first);
    tr_exit_signal(first, TR_KILL);
    tr_must(tr_await_down(monitor, TR_INFINITY, NULL));
    tr_must(tr_count_children(supervisor, &counts)); /* the supervisor heard of it before we did, and has acted */
    show("restarted");
    printf("same process: %s\n", tr_same(first, tr_whereis("cache")) ? "yes" : "no");
}

int main(void) { return tr_main(NULL, session, NULL, 0); }
