/* glob.c: see glob.h. */
#include "glob.h"

/* Matches one character against a set at pattern[at] == '['; *next is the place after it. It may lack its end. */
static bool match_set(struct slice pattern, size_t at, char c, size_t *next)
{
    bool found = false;
    const char *p = pattern.data;
    at++;
    bool negated = at < pattern.size && p[at] == '^';
    at += negated;
    while (at < pattern.size && p[at] != ']') {
        if (p[at] == '\\' && at + 1 < pattern.size) {
            found |= p[at + 1] == c;
            at += 2;
        } else if (at + 2 < pattern.size && p[at + 1] == '-') {
            unsigned char low = (unsigned char)p[at], high = (unsigned char)p[at + 2], middle = (unsigned char)c;
            found |= low <= high ? low <= middle && middle <= high : high <= middle && middle <= low;
            at += 3;
        } else {
            found |= p[at] == c;
            at++;
        }
    }
    *next = at < pattern.size ? at + 1 : at;
    return found != negated;
}

/* Matches one character that is no star; *next is the place in the pattern after it. */
static bool match_one(struct slice pattern, size_t at, char c, size_t *next)
{
    const char *p = pattern.data;
    if (p[at] == '[')
        return match_set(pattern, at, c, next);
    if (p[at] == '\\' && at + 1 < pattern.size)
        at++;
    else if (p[at] == '?') {
        *next = at + 1;
        return true;
    }
    *next = at + 1;
    return p[at] == c;
}

bool glob_match(struct slice pattern, struct slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0, next;
    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            star = ++p;
            star_text = t;
        } else if (p < pattern.size && match_one(pattern, p, text.data[t], &next)) {
            p = next;
            t++;
        } else if (star != SIZE_MAX) { /* let the last star take one character more */
            p = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.data[p] == '*')
        p++;
    return p == pattern.size;
}
