/* fuzz_resp.c: the RESP parser reads the same requests, and finds the same error, whether the bytes come at once or in
 * pieces, in a buffer that moves each time; and no argument lies outside of its request. The first byte chooses the
 * pieces. */
#include "fuzz.h"

#include "../../bench/services/cache/resp.h"

struct outcome {
    uint64_t hash; /* of all arguments, in order */
    size_t requests, used;
    enum resp_result last;
    char error[64];
};

static void mix(struct outcome *outcome, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        outcome->hash = (outcome->hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    outcome->hash = (outcome->hash ^ size) * UINT64_C(0x9e3779b97f4a7c15);
}

static void take(struct outcome *outcome, const struct resp *resp, const char *data, size_t used)
{
    for (size_t i = 0; i < resp->count; i++) {
        HOLDS(resp->arguments[i].at <= used && resp->arguments[i].size <= used - resp->arguments[i].at);
        mix(outcome, data + resp->arguments[i].at, resp->arguments[i].size);
    }
    outcome->requests++;
    outcome->used += used;
}

/* The bytes in pieces of at most `piece`. */
static struct outcome parse(const uint8_t *data, size_t size, size_t piece)
{
    struct outcome outcome = { .last = RESP_MORE };
    struct resp resp;
    size_t have = 0, used; /* of the bytes from outcome.used on */
    char *request = NULL;
    resp_start(&resp, 1 << 20);
    for (;;) {
        if (outcome.last == RESP_MORE && outcome.used + have < size) {
            size_t more = size - outcome.used - have < piece ? size - outcome.used - have : piece;
            char *moved = malloc(have + more);
            HOLDS(moved != NULL);
            if (have > 0)
                memcpy(moved, request, have);
            memcpy(moved + have, data + outcome.used + have, more);
            free(request);
            request = moved;
            have += more;
        } else if (outcome.last == RESP_MORE) {
            break;
        }
        outcome.last = resp_next(&resp, request, have, &used);
        if (outcome.last != RESP_REQUEST && outcome.last != RESP_MORE)
            break;
        if (outcome.last == RESP_MORE)
            continue;
        HOLDS(used > 0 && used <= have);
        take(&outcome, &resp, request, used);
        resp_done(&resp);
        have -= used;
        memmove(request, request + used, have);
        if (have == 0)
            outcome.last = RESP_MORE;
    }
    if (outcome.last == RESP_ERROR)
        memcpy(outcome.error, resp.error, sizeof outcome.error);
    resp_stop(&resp);
    free(request);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct outcome whole = parse(data + 1, size - 1, size);
    struct outcome pieces = parse(data + 1, size - 1, 1 + data[0] % 50u);
    HOLDS(whole.requests == pieces.requests && whole.hash == pieces.hash && whole.used == pieces.used);
    HOLDS(whole.last == pieces.last && strcmp(whole.error, pieces.error) == 0);
    return 0;
}
