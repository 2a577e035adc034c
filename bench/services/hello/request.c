/* request.c: see request.h. What two readers could understand differently is refused (RFC 9112, 11.2): a bare CR, a
 * folded line, white space before the colon, two lengths, a length beside a transfer coding. */
#include "request.h"

#include <string.h>
#include <strings.h>

struct text {
    const char *data;
    size_t size;
};

static enum request_status refuse(struct request *request, int error)
{
    request->error = error;
    request->keep = false;
    return REQUEST_BAD;
}

static bool is_token_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool same(struct text text, const char *word)
{
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

static struct text trimmed(struct text text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* Whether a comma-separated list has this word. */
static bool lists(struct text list, const char *word)
{
    while (list.size > 0) {
        const char *comma = memchr(list.data, ',', list.size);
        size_t size = comma == NULL ? list.size : (size_t)(comma - list.data);
        if (same(trimmed((struct text){ list.data, size }), word))
            return true;
        size_t step = comma == NULL ? list.size : size + 1;
        list.data += step;
        list.size -= step;
    }
    return false;
}

static bool read_length(struct text text, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(*length, UINT64_C(10), length) ||
            __builtin_add_overflow(*length, (uint64_t)(text.data[i] - '0'), length))
            return false;
    }
    return text.size > 0;
}

/* "GET /path HTTP/1.1" */
static int read_first_line(struct text line, struct request *request)
{
    static const char version[] = "HTTP/1.";
    const char *end = line.data + line.size, *space = memchr(line.data, ' ', line.size);
    if (space == NULL || space == line.data)
        return 400;
    request->method = line.data;
    request->method_size = (size_t)(space - line.data);
    for (const char *at = line.data; at < space; at++)
        if (!is_token_byte(*at))
            return 400;
    request->path = space + 1;
    space = memchr(request->path, ' ', (size_t)(end - request->path));
    if (space == NULL || space == request->path)
        return 400;
    request->path_size = (size_t)(space - request->path);
    const char *spoken = space + 1;
    size_t size = (size_t)(end - spoken);
    if (size != sizeof version || memcmp(spoken, "HTTP/", 5) != 0)
        return 400;
    if (memcmp(spoken, version, sizeof version - 1) != 0)
        return 505;
    char minor = spoken[size - 1];
    if (minor < '0' || minor > '9')
        return 400;
    request->old = minor == '0';
    request->keep = !request->old;
    return 0;
}

/* "Name: value"; what has been seen of the lengths is in *lengths. */
static int read_field(struct text line, struct request *request, int *lengths)
{
    const char *colon = memchr(line.data, ':', line.size);
    if (colon == NULL || colon == line.data)
        return 400;
    struct text name = { line.data, (size_t)(colon - line.data) };
    struct text value = trimmed((struct text){ colon + 1, line.size - name.size - 1 });
    for (size_t i = 0; i < name.size; i++)
        if (!is_token_byte(name.data[i]))
            return 400;
    if (same(name, "connection")) {
        if (lists(value, "close"))
            request->keep = false;
        else if (request->old && lists(value, "keep-alive"))
            request->keep = true; /* an old client's only other reason to close is that it did not say this */
    } else if (same(name, "expect")) {
        request->keep = false; /* after an answer the client may keep its body to itself, or not */
    } else if (same(name, "content-length")) {
        if (++*lengths > 1 || !read_length(value, &request->body_size))
            return 400;
    } else if (same(name, "transfer-encoding")) {
        return 501; /* no answer of ours depends on a body: its coding is not worth reading */
    }
    return 0;
}

enum request_status request_read(const char *data, size_t size, struct request *request)
{
    size_t used = 0;
    int lengths = 0;
    bool first = true;
    *request = (struct request){ .keep = true };
    for (;;) {
        const char *end = memchr(data + used, '\n', size - used);
        if (end == NULL || (size_t)(end - data) >= REQUEST_HEAD_MAX)
            return size < REQUEST_HEAD_MAX ? REQUEST_MORE : refuse(request, 431);
        struct text line = { data + used, (size_t)(end - data) - used };
        used += line.size + 1;
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        if (memchr(line.data, '\r', line.size) != NULL || memchr(line.data, '\0', line.size) != NULL)
            return refuse(request, 400);
        if (line.size == 0 && !first)
            break;
        if (line.size == 0)
            continue;
        int error = first ? read_first_line(line, request) : read_field(line, request, &lengths);
        if (error != 0)
            return refuse(request, error);
        first = false;
    }
    request->head_size = used;
    return REQUEST_GOOD;
}
