/* clients.c: see clients.h. A crash empties the list; whoever is connected comes back into it with its next CLIENT
 * SETNAME.
 *
 * The list is an open-addressed table from process to client: a connection that comes or goes costs the same however
 * many there are. Invariants: room is a power of two, at most three quarters used; a place is used exactly if its pid
 * is somebody; no free place stands between a client's own place and where it is. */
#include "clients.h"

#include <stdlib.h>
#include <string.h>

enum clients_tag {
    CLIENTS_ENTER = 1, /* cast; body: struct client */
    CLIENTS_LIST,      /* call; body: id; answer: struct client, one after the other */
    CLIENTS_KILL       /* call; body: id; answer: bool */
};

enum { ROOM_MIN = 64 };

struct clients {
    struct client *table;
    size_t room, count;
};

static size_t place_of(const struct clients *clients, tr_pid pid)
{
    size_t place = (size_t)(pid.id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (clients->room - 1);
    while (!tr_nobody(clients->table[place].pid) && !tr_same(clients->table[place].pid, pid))
        place = (place + 1) & (clients->room - 1);
    return place;
}

/* No memory ends the server: tr_realloc says so. */
static void make_room(struct clients *clients)
{
    if (clients->count * 4 < clients->room * 3)
        return;
    struct clients larger = { .room = clients->room == 0 ? ROOM_MIN : clients->room * 2, .count = clients->count };
    larger.table = tr_realloc(NULL, larger.room * sizeof *larger.table);
    for (size_t i = 0; i < clients->room; i++)
        if (!tr_nobody(clients->table[i].pid))
            larger.table[place_of(&larger, clients->table[i].pid)] = clients->table[i];
    tr_free(clients->table);
    *clients = larger;
}

static int enter(struct clients *clients, const struct client *client)
{
    make_room(clients);
    struct client *place = &clients->table[place_of(clients, client->pid)];
    if (tr_nobody(place->pid)) {
        clients->count++;
        tr_monitor(client->pid);
    }
    *place = *client;
    return TR_OK;
}

/* Closes the gap: whoever behind it would not be found any more moves up. */
static void leave(struct clients *clients, tr_pid pid)
{
    if (clients->room == 0)
        return;
    size_t gap = place_of(clients, pid), mask = clients->room - 1;
    if (tr_nobody(clients->table[gap].pid))
        return;
    clients->count--;
    clients->table[gap].pid = (tr_pid){ 0 };
    for (size_t next = (gap + 1) & mask; !tr_nobody(clients->table[next].pid); next = (next + 1) & mask) {
        struct client moved = clients->table[next];
        clients->table[next].pid = (tr_pid){ 0 };
        clients->table[place_of(clients, moved.pid)] = moved;
    }
}

static int list(const struct clients *clients, uint64_t id, tr_from from)
{
    struct client *found = tr_realloc(NULL, (clients->count + 1) * sizeof *found);
    size_t count = 0;
    for (size_t i = 0; i < clients->room; i++)
        if (!tr_nobody(clients->table[i].pid) && (id == 0 || clients->table[i].id == id))
            found[count++] = clients->table[i];
    tr_reply(from, found, count * sizeof *found);
    tr_free(found);
    return TR_OK;
}

static int kill_one(const struct clients *clients, uint64_t id, tr_from from)
{
    bool found = false;
    for (size_t i = 0; i < clients->room && !found; i++) {
        found = !tr_nobody(clients->table[i].pid) && clients->table[i].id == id;
        if (found)
            tr_exit_signal(clients->table[i].pid, TR_SHUTDOWN);
    }
    return tr_reply(from, &found, sizeof found);
}

static int clients_call(void *state, const tr_msg *request, tr_from from)
{
    switch (tr_tag(request)) {
    case CLIENTS_LIST: return list(state, *(const uint64_t *)tr_expect(request, sizeof(uint64_t)), from);
    case CLIENTS_KILL: return kill_one(state, *(const uint64_t *)tr_expect(request, sizeof(uint64_t)), from);
    default: return tr_unexpected(request);
    }
}

static int clients_cast(void *state, const tr_msg *message)
{
    if (tr_tag(message) != CLIENTS_ENTER)
        return tr_unexpected(message);
    return enter(state, tr_expect(message, sizeof(struct client)));
}

static int clients_info(void *state, const tr_msg *message)
{
    if (tr_tag(message) == TR_MSG_DOWN)
        leave(state, tr_sender(message));
    return TR_OK;
}

const tr_gen_server clients_server = {
    .label = "clients",
    .state_size = sizeof(struct clients),
    .handle_call = clients_call,
    .handle_cast = clients_cast,
    .handle_info = clients_info,
};

/* ---- for connections */

void clients_enter(const struct client *client) { tr_cast(tr_name("clients"), CLIENTS_ENTER, client, sizeof *client); }

void clients_print(const struct client *client, const char *command, struct bytes *text)
{
    bytes_print(text,
                "id=%llu addr=%s name=%s age=%lld idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 cmd=%s user=default "
                "redir=-1 resp=2\n",
                (unsigned long long)client->id, tr_pid_text(client->pid).s, client->name,
                (long long)(tr_now_ns() / 1000000 - client->since_ms) / 1000, command);
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const struct client *)a)->id, y = ((const struct client *)b)->id;
    return (x > y) - (x < y);
}

void clients_list(uint64_t id, struct bytes *text)
{
    tr_msg *reply;
    if (tr_call_msg(tr_name("clients"), CLIENTS_LIST, &id, sizeof id, TR_INFINITY, &reply) != TR_OK)
        return; /* it is being restarted: an empty list */
    size_t count = tr_size(reply) / sizeof(struct client);
    struct client *sorted = count == 0 ? NULL : malloc(count * sizeof *sorted);
    if (sorted != NULL) {
        memcpy(sorted, tr_body(reply), count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, by_id);
        for (size_t i = 0; i < count; i++)
            clients_print(&sorted[i], "NULL", text);
    }
    free(sorted);
    tr_drop(reply);
}

bool clients_kill(uint64_t id)
{
    bool found = false;
    int status = tr_call(tr_name("clients"), CLIENTS_KILL, &id, sizeof id, &found, sizeof found, TR_INFINITY);
    return status == TR_OK && found;
}
