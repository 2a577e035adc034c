/* cache_store_test.c: the cache's table, deadlines, arena and patterns, against simple models of them. */
#include "../../bench/services/cache/glob.h"
#include "../../bench/services/cache/hash.h"
#include "../../bench/services/cache/store.h"
#include "harness.h"

static struct slice text(const char *s) { return (struct slice){ s, strlen(s) }; }

static struct slice key_of(char room[32], unsigned i)
{
    return (struct slice){ room, (size_t)snprintf(room, 32, "key:%u", i) };
}

static struct entry *put(struct store *store, struct slice key, const char *value)
{
    struct entry *entry = store_add(store, key, hash_key(key), strlen(value));
    CHECK(entry != NULL);
    memcpy(entry_value(entry), value, strlen(value));
    return entry;
}

static struct entry *get(struct store *store, struct slice key) { return store_find(store, key, hash_key(key)); }

TEST(cache_store, finds_what_was_added_while_it_grows_and_shrinks)
{
    enum { MANY = 20000 };
    struct store store;
    char room[32];
    store_start(&store);
    for (unsigned i = 0; i < MANY; i++)
        put(&store, key_of(room, i), "v");
    CHECK_EQ(store_count(&store), MANY);
    for (unsigned i = 0; i < MANY; i++)
        CHECK(get(&store, key_of(room, i)) != NULL);
    CHECK(get(&store, key_of(room, MANY)) == NULL);
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 100 == 0)
            continue;
        store_remove(&store, get(&store, key_of(room, i)));
        CHECK(get(&store, key_of(room, i)) == NULL);
    }
    CHECK_EQ(store_count(&store), MANY / 100);
    for (unsigned i = 0; i < MANY; i += 100)
        CHECK(get(&store, key_of(room, i)) != NULL);
    while (store_tick(&store) > 0)
        continue;
    CHECK(store.tables[0].mask < MANY / 4);
    store_stop(&store);
}

TEST(cache_store, a_value_keeps_its_bytes_when_it_is_resized)
{
    struct store store;
    store_start(&store);
    struct entry *entry = put(&store, text("k"), "0123456789");
    CHECK(store_expire(&store, entry, 1000));
    static const size_t sizes[] = { 11, 100, 5000, 20000, 3000000, 12, 10 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        entry = store_resize(&store, entry, sizes[i], i % 2 == 0);
        CHECK(entry != NULL && entry == get(&store, text("k")));
        CHECK_EQ(entry->size, sizes[i]);
        CHECK(memcmp(entry_value(entry), "0123456789", 10) == 0);
        CHECK_EQ(entry_deadline(&store, entry), 1000);
    }
    CHECK_EQ(store_count(&store), 1);
    store_stop(&store);
}

TEST(cache_store, no_key_is_found_after_its_deadline)
{
    struct store store;
    store_start(&store);
    CHECK(store_expire(&store, put(&store, text("a"), "1"), 10));
    CHECK(store_expire(&store, put(&store, text("b"), "2"), 20));
    CHECK(store_expire(&store, put(&store, text("c"), "3"), 10));
    CHECK(store_persist(&store, get(&store, text("c"))));
    CHECK(!store_persist(&store, get(&store, text("c"))));
    store.now_ms = 9;
    CHECK(get(&store, text("a")) != NULL);
    store.now_ms = 10;
    CHECK(get(&store, text("a")) == NULL);
    CHECK(get(&store, text("b")) != NULL);
    store.now_ms = 1000;
    CHECK_EQ(store_count(&store), 2);
    CHECK_EQ(store_tick(&store), -1);
    CHECK_EQ(store_count(&store), 1);
    CHECK_EQ(store.expired, 2);
    CHECK(get(&store, text("c")) != NULL);
    store_stop(&store);
}

TEST(cache_store, deadlines_come_due_in_order)
{
    enum { MANY = 3000 };
    struct store store;
    char room[32];
    uint64_t chance = 42;
    store_start(&store);
    for (unsigned i = 0; i < MANY; i++) {
        struct entry *entry = put(&store, key_of(room, i), "v");
        for (unsigned again = 0; again < 1 + i % 3; again++) {
            chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407;
            CHECK(store_expire(&store, entry, 1 + (int64_t)(chance >> 40) % 5000));
        }
    }
    for (store.now_ms = 0; store.now_ms <= 5001; store.now_ms++) {
        do
            store_tick(&store);
        while (store.deadline_count > 0 && store.deadlines[0].when_ms <= store.now_ms);
        for (size_t i = 0; i < store.deadline_count; i++) {
            CHECK(store.deadlines[i].when_ms > store.now_ms);
            CHECK_EQ(store.deadlines[i].entry->deadline, i + 1);
        }
    }
    CHECK_EQ(store_count(&store), 0);
    store_stop(&store);
}

static void mark(void *arg, const struct entry *entry)
{
    char room[32];
    memcpy(room, entry->data, entry->key_size);
    room[entry->key_size] = '\0';
    ((bool *)arg)[strtoul(room + 4, NULL, 10)] = true;
}

/* Keys 0 to FIXED - 1 stay; others come and go during the walk, so that the table grows and shrinks under it. */
TEST(cache_store, a_walk_visits_all_that_stays_while_the_table_is_resized)
{
    enum { FIXED = 500, ALL = 20000 };
    static bool seen[ALL];
    for (int grows = 0; grows < 2; grows++) {
        struct store store;
        char room[32];
        unsigned next = FIXED;
        uint64_t cursor = 0;
        store_start(&store);
        for (unsigned i = 0; i < (grows ? FIXED : ALL); i++)
            put(&store, key_of(room, i), "v");
        memset(seen, 0, sizeof seen);
        do {
            cursor = store_scan(&store, cursor, mark, seen);
            for (int i = 0; i < 40 && next < ALL; i++, next++) {
                if (grows)
                    put(&store, key_of(room, next), "v");
                else
                    store_remove(&store, get(&store, key_of(room, next)));
            }
            store_tick(&store);
        } while (cursor != 0);
        for (unsigned i = 0; i < FIXED; i++)
            CHECK(seen[i]);
        store_stop(&store);
    }
}

TEST(cache_store, clearing_forgets_at_once_and_frees_later)
{
    struct store store;
    char room[32];
    store_start(&store);
    for (unsigned i = 0; i < 100000; i++)
        CHECK(store_expire(&store, put(&store, key_of(room, i), "value"), 1000000));
    store_clear(&store);
    CHECK_EQ(store_count(&store), 0);
    CHECK_EQ(store_used(&store), 0);
    CHECK(get(&store, key_of(room, 1)) == NULL);
    put(&store, key_of(room, 1), "new");
    CHECK(store_has_chores(&store));
    while (store_tick(&store) != -1)
        continue;
    CHECK(store.discarded == NULL);
    CHECK(get(&store, key_of(room, 1)) != NULL);
    store_clear(&store);
    store_stop(&store);
}

TEST(cache_store, eviction_prefers_what_was_not_used)
{
    enum { MANY = 1000 };
    struct store store;
    char room[32];
    unsigned kept = 0;
    store_start(&store);
    for (unsigned i = 0; i < MANY; i++)
        put(&store, key_of(room, i), "v");
    store.now_ms = 1000000;
    for (unsigned i = 0; i < MANY / 2; i++)
        get(&store, key_of(room, i));
    for (unsigned i = 0; i < MANY / 2; i++)
        CHECK(store_evict(&store));
    for (unsigned i = 0; i < MANY / 2; i++)
        kept += get(&store, key_of(room, i)) != NULL;
    CHECK(kept > MANY / 2 * 3 / 4);
    while (store_evict(&store))
        continue;
    CHECK_EQ(store_count(&store), 0);
    store_stop(&store);
}

TEST(cache_arena, blocks_are_apart_and_counted)
{
    enum { MANY = 5000 };
    static char *blocks[MANY];
    static size_t sizes[MANY];
    struct arena arena = { 0 };
    uint64_t chance = 7;
    for (int round = 0; round < 4; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407;
            if (blocks[i] != NULL && (chance >> 33) % 2 == 0) {
                for (size_t at = 0; at < sizes[i]; at++)
                    CHECK_EQ((unsigned char)blocks[i][at], i % 251);
                arena_give(&arena, blocks[i], sizes[i]);
                blocks[i] = NULL;
            } else if (blocks[i] == NULL) {
                sizes[i] = 1 + (chance >> 33) % (i % 50 == 0 ? 40000 : 600);
                CHECK(arena_room(sizes[i]) >= sizes[i]);
                blocks[i] = arena_take(&arena, sizes[i]);
                CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % 16 == 0);
                memset(blocks[i], (int)(i % 251), sizes[i]);
            }
        }
    }
    for (unsigned i = 0; i < MANY; i++)
        if (blocks[i] != NULL)
            arena_give(&arena, blocks[i], sizes[i]);
    CHECK_EQ(arena.used, 0);
    CHECK(arena_release(&arena, SIZE_MAX));
}

TEST(cache_arena, a_block_has_room_for_its_size_and_an_eighth_more_at_most)
{
    for (size_t size = 1; size <= 100000; size++) {
        size_t room = arena_room(size);
        CHECK(room >= size);
        CHECK(room % 16 == 0);
        CHECK(room - size < 16 || room - size <= size / 8);
        CHECK_EQ(arena_room(room), room);
        CHECK(size == 1 || room >= arena_room(size - 1));
    }
}

TEST(cache_glob, matches_as_redis_does)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        { "*", "", true },
        { "*", "abc", true },
        { "", "", true },
        { "", "a", false },
        { "a*c", "abbc", true },
        { "a*c", "abbd", false },
        { "h?llo", "hello", true },
        { "h?llo", "hllo", false },
        { "h[ae]llo", "hallo", true },
        { "h[^e]llo", "hello", false },
        { "h[a-c]llo", "hbllo", true },
        { "h[c-a]llo", "hbllo", true },
        { "\\*", "*", true },
        { "\\*", "a", false },
        { "[\\]]", "]", true },
        { "a[", "a", false },
        { "[abc", "b", true },
        { "**a**", "xxaxx", true },
        { "*a*b*c", "1a2b3c", true },
        { "*a*b*c", "1a2c3b", false },
        { "[a-", "-", true },
        { "\\", "\\", true },
        { "[^]x", "ax", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (glob_match(text(cases[i].pattern), text(cases[i].text)) != cases[i].matches)
            harness_fail(__FILE__, __LINE__, "%s against %s", cases[i].pattern, cases[i].text);
}

TEST(cache_glob, many_stars_take_no_time)
{
    char pattern[101], long_text[5001];
    for (size_t i = 0; i < 100; i++)
        pattern[i] = i % 2 ? '*' : 'a';
    pattern[100] = '\0';
    memset(long_text, 'a', 5000);
    long_text[4999] = 'b';
    long_text[5000] = '\0';
    pattern[99] = 'c';
    CHECK(!glob_match(text(pattern), text(long_text)));
}
