/* hashmap.c: get, get with default, get_all, update, put, delete; an invalid message brings it back to its initial
 * state */
#include <stdio.h>
#include <string.h>
#include <troupe/troupe.h>

enum { PUT = 1, GET, GET_ALL, UPDATE, DELETE };
enum { KEY_MAX = 32 };

struct entry {
    char key[KEY_MAX];
    int64_t value;
};
struct found {
    bool found;
    int64_t value;
};
struct update {
    char key[KEY_MAX];
    int64_t (*change)(int64_t value);
};
struct map {
    size_t count, capacity;
    struct entry *entries;
};

static struct entry *find(const struct map *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++)
        if (strncmp(map->entries[i].key, key, KEY_MAX) == 0)
            return &map->entries[i];
    return NULL;
}

static void put(struct map *map, const struct entry *entry)
{
    struct entry *place = find(map, entry->key);
    if (place == NULL) {
        if (map->count == map->capacity) {
            map->capacity = map->capacity ? 2 * map->capacity : 8;
            map->entries = tr_realloc(map->entries, map->capacity * sizeof *map->entries); /* dies with the process */
        }
        place = &map->entries[map->count++];
    }
    *place = *entry;
}

static int map_init(void *state, const tr_msg *arg)
{
    put(state, tr_expect(arg, sizeof(struct entry)));
    return TR_OK;
}

static int map_call(void *state, const tr_msg *request, tr_from from)
{
    struct map *map = state;
    const struct update *update = NULL;
    struct found reply = { .found = false };
    struct entry *entry;
    switch (tr_tag(request)) {
    case GET_ALL: return tr_reply(from, map->entries, map->count * sizeof *map->entries);
    case GET: entry = find(map, tr_string(request)); break;
    case UPDATE:
        update = tr_expect(request, sizeof *update);
        entry = find(map, update->key);
        break;
    default: return tr_unexpected(request);
    }
    if (entry != NULL && update != NULL)
        entry->value = update->change(entry->value);
    if (entry != NULL)
        reply = (struct found){ .found = true, .value = entry->value };
    return tr_reply(from, &reply, sizeof reply);
}

static int map_cast(void *state, const tr_msg *message)
{
    struct map *map = state;
    if (tr_tag(message) == PUT) {
        put(map, tr_expect(message, sizeof(struct entry)));
    } else if (tr_tag(message) == DELETE) {
        struct entry *entry = find(map, tr_string(message));
        if (entry != NULL)
            *entry = map->entries[--map->count];
    } else {
        return tr_unexpected(message);
    }
    return TR_OK;
}

static const tr_gen_server hashmap = {
    .label = "hashmap",
    .state_size = sizeof(struct map),
    .init = map_init,
    .handle_call = map_call,
    .handle_cast = map_cast,
};
static const struct entry initial = { "answer", 42 };
static const tr_child children[] = {
    { .name = "hashmap", .server = &hashmap, .arg = &initial, .arg_size = sizeof initial }
};
static const tr_supervisor root = { .children = children, .child_count = TR_COUNT(children) };

/* --- the client's functions */
static int64_t get(const char *key, int64_t otherwise)
{
    struct found reply;
    tr_call_or_exit(tr_name("hashmap"), GET, key, strlen(key) + 1, &reply, sizeof reply, 5000);
    return reply.found ? reply.value : otherwise;
}

static void show_all(void)
{
    tr_msg *reply;
    tr_must(tr_call_msg(tr_name("hashmap"), GET_ALL, NULL, 0, 5000, &reply));
    const struct entry *all = tr_body(reply);
    for (size_t i = 0; i < tr_size(reply) / sizeof *all; i++)
        printf("%s = %lld\n", all[i].key, (long long)all[i].value);
    tr_drop(reply);
}

static void show_counts(tr_pid supervisor)
{
    tr_child_counts counts;
    tr_must(tr_count_children(supervisor, &counts));
    printf("specs %zu, active %zu, supervisors %zu, workers %zu\n", counts.specs, counts.active, counts.supervisors,
           counts.workers);
}

static int64_t twice(int64_t value) { return 2 * value; }

static void session(const tr_msg *unused)
{
    (void)unused;
    tr_pid supervisor, map = tr_name("hashmap");
    struct found reply;
    char text[128];
    tr_must(tr_start_link(&(tr_child){ .supervisor = &root }, &supervisor));
    show_counts(supervisor);
    tr_cast(map, PUT, &(struct entry){ "apples", 3 }, sizeof(struct entry));
    tr_call_or_exit(map, UPDATE, &(struct update){ "apples", twice }, sizeof(struct update), &reply, sizeof reply,
                    5000);
    printf("apples %lld, pears %lld\n", (long long)get("apples", 0), (long long)get("pears", -1));
    show_all();
    tr_cast(map, DELETE, "apples", sizeof "apples");
    show_all();
    tr_cast(map, PUT, &(struct entry){ "pears", 1 }, sizeof(struct entry));
    if (tr_call(map, 99, NULL, 0, NULL, 0, 5000) == TR_EDOWN)
        printf("crashed: %s\n", tr_reason_text(tr_last_reason(), text, sizeof text));
    show_counts(supervisor); /* also waits until the supervisor has restarted it */
    show_all();
}

int main(void) { return tr_main(NULL, session, NULL, 0); }
