/* settings.c: see settings.h. */
#include "settings.h"

#include "glob.h"

struct settings cache = { .port = 6400, .bind = "127.0.0.1", .maxclients = 10000 };

int64_t settings_bulk_max(void)
{
    const int64_t least = 1024 * 1024, most = 512 * least;
    size_t limit = settings_get(maxmemory);
    if (limit == 0 || limit >= (size_t)most)
        return most;
    return limit < (size_t)least ? least : (int64_t)limit;
}

bool settings_read_bytes(struct slice text, size_t *bytes)
{
    static const struct {
        const char *unit;
        size_t bytes;
    } units[] = { { "", 1 },        { "b", 1 },        { "k", 1000 },       { "kb", 1024 },
                  { "m", 1000000 }, { "mb", 1048576 }, { "g", 1000000000 }, { "gb", 1073741824 } };
    size_t digits = 0;
    int64_t number;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    if (!number_parse((struct slice){ text.data, digits }, &number))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (slice_is((struct slice){ text.data + digits, text.size - digits }, units[i].unit))
            return !__builtin_mul_overflow((size_t)number, units[i].bytes, bytes);
    return false;
}

/* ---- CONFIG */

/* A parameter that clients ask for; text NULL: `number` says it. */
struct parameter {
    const char *name, *text;
    int64_t number;
};

static void get(const struct request *request, struct bytes *out)
{
    const struct parameter parameters[] = {
        { "maxmemory", NULL, (int64_t)settings_get(maxmemory) },
        { "maxmemory-policy", settings_get(evict) ? "allkeys-lru" : "noeviction", 0 },
        { "maxclients", NULL, cache.maxclients },
        { "port", NULL, settings_get(listening_port) },
        { "bind", cache.bind, 0 },
        { "databases", NULL, 1 },
        { "proto-max-bulk-len", NULL, settings_bulk_max() },
        { "timeout", NULL, 0 },
        { "save", "", 0 },
        { "appendonly", "no", 0 },
        { "shards", NULL, cache.shards },
    };
    struct bytes found = { 0 };
    size_t count = 0;
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        const struct parameter *parameter = &parameters[i];
        bool wanted = false;
        for (size_t j = 2; j < request->count && !wanted; j++) {
            size_t size = 0;
            while (parameter->name[size] != '\0')
                size++;
            struct slice pattern = request_argument(request, j);
            wanted = slice_is(pattern, parameter->name) || glob_match(pattern, (struct slice){ parameter->name, size });
        }
        if (!wanted)
            continue;
        count += 2;
        char text[NUMBER_MAX];
        reply_bulk_text(&found, parameter->name);
        if (parameter->text != NULL)
            reply_bulk_text(&found, parameter->text);
        else
            reply_bulk(&found, text, number_write(text, parameter->number));
    }
    reply_array(out, count);
    bytes_add(out, found.data, found.size);
    out->failed |= found.failed;
    bytes_release(&found);
}

static void set_failed(struct bytes *out, const char *name, const char *why)
{
    reply_error(out, "ERR CONFIG SET failed (possibly related to argument '%s') - %s", name, why);
}

/* One pair; false: the error was replied. */
static bool set_one(struct slice name, struct slice value, struct bytes *out)
{
    size_t limit;
    if (slice_is(name, "maxmemory")) {
        if (!settings_read_bytes(value, &limit)) {
            set_failed(out, "maxmemory", "argument must be a memory value");
            return false;
        }
        settings_set(maxmemory, limit);
    } else if (slice_is(name, "maxmemory-policy")) {
        bool evict = slice_is(value, "allkeys-lru");
        if (!evict && !slice_is(value, "noeviction")) {
            set_failed(out, "maxmemory-policy", "argument(s) must be one of the following: allkeys-lru, noeviction");
            return false;
        }
        settings_set(evict, evict);
    } else {
        reply_error(out, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                    (int)(name.size < 128 ? name.size : 128), name.data);
        return false;
    }
    return true;
}

void settings_reply(const struct request *request, struct bytes *out)
{
    struct slice what = request_argument(request, 1);
    if (slice_is(what, "get")) {
        if (request->count < 3)
            reply_error(out, "ERR wrong number of arguments for 'config|get' command");
        else
            get(request, out);
    } else if (slice_is(what, "set")) {
        if (request->count < 4 || request->count % 2 != 0) {
            reply_error(out, "ERR wrong number of arguments for 'config|set' command");
            return;
        }
        for (size_t i = 2; i < request->count; i += 2)
            if (!set_one(request_argument(request, i), request_argument(request, i + 1), out))
                return;
        reply_ok(out);
    } else if (slice_is(what, "resetstat")) {
        reply_ok(out); /* what shards count lasts as long as they do */
    } else {
        reply_error(out, "ERR unknown subcommand '%.*s'. Try CONFIG HELP.", (int)(what.size < 128 ? what.size : 128),
                    what.data);
    }
}
