/* hash.c: see hash.h. The key is constant once hash_start has returned. */
#include "hash.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint64_t hash_secret[2];

void hash_start(void)
{
    if (getrandom(hash_secret, sizeof hash_secret, 0) == (ssize_t)sizeof hash_secret)
        return;
    struct timespec now; /* a system without getrandom: better than a key that is the same every day */
    clock_gettime(CLOCK_REALTIME, &now);
    hash_secret[0] = (uint64_t)now.tv_nsec * UINT64_C(0x9e3779b97f4a7c15);
    hash_secret[1] = (uint64_t)now.tv_sec ^ (uint64_t)(uintptr_t)&now;
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1, s->v1 = rotate(s->v1, 13) ^ s->v0, s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3, s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3, s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1, s->v1 = rotate(s->v1, 17) ^ s->v2, s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* Words are read as the machine stores them: the hash never leaves it. */
uint64_t hash_key(struct slice key)
{
    struct sip s = { hash_secret[0] ^ UINT64_C(0x736f6d6570736575), hash_secret[1] ^ UINT64_C(0x646f72616e646f6d),
                     hash_secret[0] ^ UINT64_C(0x6c7967656e657261), hash_secret[1] ^ UINT64_C(0x7465646279746573) };
    size_t at = 0;
    for (; at + 8 <= key.size; at += 8) {
        uint64_t word;
        memcpy(&word, key.data + at, 8);
        sip_word(&s, word);
    }
    uint64_t last = (uint64_t)key.size << 56;
    for (size_t i = 0; at + i < key.size; i++)
        last |= (uint64_t)(unsigned char)key.data[at + i] << (8 * i);
    sip_word(&s, last);
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
