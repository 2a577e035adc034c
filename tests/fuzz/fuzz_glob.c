/* fuzz_glob.c: patterns: the matcher agrees with a plain recursive one. The input is a pattern, a zero byte, a text. */
#include "fuzz.h"

#include "../../bench/services/cache/glob.h"

/* Whether a set at p[0] == '[' takes c; *next is behind it. The rules of Redis, with no eye to speed. */
static bool in_set(const char *p, const char *end, unsigned char c, const char **next)
{
    bool found = false, negated = p + 1 < end && p[1] == '^';
    for (p += negated ? 2 : 1; p < end && *p != ']';) {
        unsigned char low = (unsigned char)p[0];
        if (low == '\\' && p + 1 < end) {
            found |= (unsigned char)p[1] == c;
            p += 2;
        } else if (p + 2 < end && p[1] == '-') {
            unsigned char high = (unsigned char)p[2];
            found |= low <= high ? low <= c && c <= high : high <= c && c <= low;
            p += 3;
        } else {
            found |= low == c;
            p++;
        }
    }
    *next = p < end ? p + 1 : p;
    return found != negated;
}

static bool matches(const char *p, const char *p_end, const char *t, const char *t_end)
{
    if (p == p_end)
        return t == t_end;
    if (*p == '*')
        return matches(p + 1, p_end, t, t_end) || (t < t_end && matches(p, p_end, t + 1, t_end));
    if (t == t_end)
        return false;
    const char *next = p + 1;
    bool good;
    if (*p == '[') {
        good = in_set(p, p_end, (unsigned char)*t, &next);
    } else {
        bool literal = *p == '\\' && p + 1 < p_end;
        good = literal ? p[1] == *t : *p == '?' || *p == *t;
        next = literal ? p + 2 : p + 1;
    }
    return good && matches(next, p_end, t + 1, t_end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    if (zero == NULL)
        return 0;
    struct slice pattern = { (const char *)data, (size_t)(zero - data) };
    struct slice text = { (const char *)zero + 1, size - pattern.size - 1 };
    bool found = glob_match(pattern, text);
    size_t stars = 0;
    for (size_t i = 0; i < pattern.size; i++)
        stars += pattern.data[i] == '*';
    if (stars <= 3 && text.size <= 40) /* the plain one is exponential in stars */
        HOLDS(found == matches(pattern.data, pattern.data + pattern.size, text.data, text.data + text.size));
    return 0;
}
