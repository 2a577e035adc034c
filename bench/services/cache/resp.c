/* resp.c: see resp.h. One function for each state; the order of checks is that of Redis 7. */
#include "resp.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void resp_start(struct resp *resp, int64_t bulk_max)
{
    *resp = (struct resp){ .bulk = -1, .bulk_max = bulk_max, .capacity = RESP_INLINE_ARGUMENTS };
    resp->arguments = resp->first;
}

void resp_stop(struct resp *resp)
{
    if (resp->arguments != resp->first)
        free(resp->arguments);
    resp->arguments = NULL;
}

void resp_done(struct resp *resp)
{
    if (resp->arguments != resp->first)
        free(resp->arguments);
    resp->arguments = resp->first;
    resp->capacity = RESP_INLINE_ARGUMENTS;
    resp->at = resp->count = 0;
    resp->awaited = 0;
    resp->bulk = -1;
}

size_t resp_wanted(const struct resp *resp) { return resp->at + (resp->bulk >= 0 ? (size_t)resp->bulk + 2 : 1); }

static enum resp_result fail(struct resp *resp, const char *text)
{
    snprintf(resp->error, sizeof resp->error, "ERR Protocol error: %s", text);
    return RESP_ERROR;
}

static bool add_argument(struct resp *resp, size_t at, size_t size)
{
    if (resp->count == resp->capacity) {
        size_t capacity = resp->capacity * 2;
        bool inside = resp->arguments == resp->first;
        struct resp_argument *more = realloc(inside ? NULL : resp->arguments, capacity * sizeof *more);
        if (more == NULL)
            return false;
        if (inside)
            memcpy(more, resp->first, sizeof resp->first);
        resp->arguments = more;
        resp->capacity = capacity;
    }
    resp->arguments[resp->count++] = (struct resp_argument){ at, size };
    return true;
}

/* ---- inline */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char escaped(char c)
{
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

/* A line with a NUL after it; `to` follows behind `from`, since what is resolved never grows. */
struct line {
    char *begin, *from, *to;
};

/* After the opening quote; false: no closing quote, or no blank after it. */
static bool resolve_double(struct line *line)
{
    for (;; line->from++) {
        char *p = line->from;
        if (*p == '\0')
            return false;
        if (*p == '"') {
            line->from++;
            return p[1] == '\0' || isspace((unsigned char)p[1]);
        }
        if (p[0] == '\\' && p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
            *line->to++ = (char)(hex_digit(p[2]) * 16 + hex_digit(p[3]));
            line->from += 3;
        } else if (p[0] == '\\' && p[1] != '\0') {
            *line->to++ = escaped(p[1]);
            line->from++;
        } else {
            *line->to++ = *p;
        }
    }
}

static bool resolve_single(struct line *line)
{
    for (;; line->from++) {
        char *p = line->from;
        if (*p == '\0')
            return false;
        if (*p == '\'') {
            line->from++;
            return p[1] == '\0' || isspace((unsigned char)p[1]);
        }
        if (p[0] == '\\' && p[1] == '\'')
            line->from++;
        *line->to++ = *line->from;
    }
}

/* One word, quotes and all; false: unbalanced quotes. */
static bool resolve_word(struct line *line)
{
    while (*line->from != '\0' && strchr(" \n\r\t", *line->from) == NULL) {
        char c = *line->from++;
        if (c == '"' || c == '\'')
            return c == '"' ? resolve_double(line) : resolve_single(line);
        *line->to++ = c;
    }
    return true;
}

static enum resp_result read_inline(struct resp *resp, char *data, size_t size, size_t *used)
{
    char *end = memchr(data + resp->at, '\n', size - resp->at);
    if (end == NULL) {
        if (size > RESP_LINE_MAX)
            return fail(resp, "too big inline request");
        resp->at = size;
        return RESP_MORE;
    }
    *used = (size_t)(end - data) + 1;
    if (end > data && end[-1] == '\r')
        end--;
    *end = '\0';
    struct line line = { data, data, data };
    for (;;) {
        while (*line.from != '\0' && isspace((unsigned char)*line.from))
            line.from++;
        if (*line.from == '\0')
            return RESP_REQUEST;
        char *word = line.to;
        if (!resolve_word(&line))
            return fail(resp, "unbalanced quotes in request");
        if (!add_argument(resp, (size_t)(word - data), (size_t)(line.to - word)))
            return RESP_NOMEM;
    }
}

/* ---- arrays of bulk strings */

/* The line at `at`, without its line break: RESP_REQUEST and *line; the parser stands behind it. */
static enum resp_result read_line(struct resp *resp, const char *data, size_t size, const char *too_big,
                                  struct slice *line)
{
    const char *begin = data + resp->at;
    const char *end = memchr(begin, '\r', size - resp->at);
    if (end == NULL)
        return size - resp->at > RESP_LINE_MAX ? fail(resp, too_big) : RESP_MORE;
    if ((size_t)(end - data) + 2 > size)
        return RESP_MORE;
    *line = (struct slice){ begin, (size_t)(end - begin) };
    resp->at = (size_t)(end - data) + 2;
    return RESP_REQUEST;
}

static enum resp_result read_count(struct resp *resp, const char *data, size_t size)
{
    struct slice line;
    enum resp_result result = read_line(resp, data, size, "too big mbulk count string", &line);
    if (result != RESP_REQUEST)
        return result;
    if (!number_parse((struct slice){ line.data + 1, line.size - 1 }, &resp->awaited) ||
        resp->awaited > RESP_ARGUMENTS_MAX)
        return fail(resp, "invalid multibulk length");
    return RESP_REQUEST;
}

static enum resp_result read_bulk_size(struct resp *resp, const char *data, size_t size)
{
    struct slice line;
    enum resp_result result = read_line(resp, data, size, "too big bulk count string", &line);
    if (result != RESP_REQUEST)
        return result;
    char c = data[resp->at - line.size - 2];
    if (c != '$') {
        char text[24];
        snprintf(text, sizeof text, "expected '$', got '%c'", c);
        return fail(resp, text);
    }
    int64_t bulk;
    if (!number_parse((struct slice){ line.data + 1, line.size - 1 }, &bulk) || bulk < 0 || bulk > resp->bulk_max)
        return fail(resp, "invalid bulk length");
    resp->bulk = bulk;
    return RESP_REQUEST;
}

enum resp_result resp_next(struct resp *resp, char *data, size_t size, size_t *used)
{
    enum resp_result result;
    if (resp->awaited == 0) {
        if (size == 0)
            return RESP_MORE;
        if (data[0] != '*')
            return read_inline(resp, data, size, used);
        result = read_count(resp, data, size);
        if (result != RESP_REQUEST)
            return result;
    }
    while (resp->awaited > 0) {
        if (resp->bulk < 0 && (result = read_bulk_size(resp, data, size)) != RESP_REQUEST)
            return result;
        size_t bulk = (size_t)resp->bulk;
        if (size - resp->at < bulk + 2)
            return RESP_MORE;
        if (!add_argument(resp, resp->at, bulk))
            return RESP_NOMEM;
        resp->at += bulk + 2; /* as Redis does, without a look at the line break */
        resp->bulk = -1;
        resp->awaited--;
    }
    *used = resp->at;
    return RESP_REQUEST;
}
