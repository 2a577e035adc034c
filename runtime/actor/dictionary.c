/* dictionary.c: the process dictionary. */
#include "actor/dictionary.h"

#include "actor/end.h"

struct dictionary {
    struct dictionary *next;
    void *value;
    char key[];
};

void dictionary_free(struct context *context, struct dictionary *dictionary)
{
    for (struct dictionary *next; dictionary != NULL; dictionary = next) {
        next = dictionary->next;
        pool_free(context->pool, dictionary);
    }
}

size_t dictionary_count(const struct dictionary *dictionary)
{
    size_t count = 0;
    for (; dictionary != NULL; dictionary = dictionary->next)
        count++;
    return count;
}

/* Where the entry of the key hangs, or would hang. */
static struct dictionary **find(struct cold *cold, const char *key)
{
    struct dictionary **at = &cold->dictionary;
    while (*at != NULL && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

static void insert(struct context *context, struct actor *self, const char *key, void *value)
{
    size_t size = strlen(key) + 1;
    struct dictionary *entry = pool_alloc(context->pool, sizeof *entry + size);
    if (entry == NULL)
        actor_exit(self, notice_static(TR_WHY_SYSTEM_LIMIT), true);
    entry->next = self->cold->dictionary;
    entry->value = value;
    memcpy(entry->key, key, size);
    self->cold->dictionary = entry;
}

API void *tr_put(const char *key, void *value)
{
    struct context *context = api_enter();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self == NULL)
        misuse("tr_put", "only a process has a dictionary");
    struct dictionary **at = find(actor_cold_or_exit(context, self), key), *entry = *at;
    void *old = entry == NULL ? NULL : entry->value;
    if (entry != NULL && value != NULL) {
        entry->value = value;
    } else if (entry != NULL) {
        *at = entry->next;
        pool_free(context->pool, entry);
    } else if (value != NULL) {
        insert(context, self, key, value);
    }
    api_leave(context);
    return old;
}

API void *tr_get(const char *key)
{
    struct context *context = context_self();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self == NULL)
        misuse("tr_get", "only a process has a dictionary");
    struct dictionary *entry = self->cold == NULL ? NULL : *find(self->cold, key);
    return entry == NULL ? NULL : entry->value;
}
