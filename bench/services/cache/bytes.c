/* bytes.c: see bytes.h. */
#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bytes_reserve(struct bytes *bytes, size_t more)
{
    if (bytes->failed)
        return false;
    if (more <= bytes->capacity - bytes->size)
        return true;
    size_t capacity = bytes->capacity * 2 > 256 ? bytes->capacity * 2 : 256;
    if (capacity < bytes->size + more)
        capacity = bytes->size + more;
    char *data = realloc(bytes->data, capacity);
    if (data == NULL) {
        bytes->failed = true;
        return false;
    }
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

void bytes_add(struct bytes *bytes, const void *data, size_t size)
{
    if (size == 0 || !bytes_reserve(bytes, size))
        return;
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

static void print_list(struct bytes *bytes, const char *format, va_list list)
{
    va_list again;
    va_copy(again, list);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0 || !bytes_reserve(bytes, (size_t)size + 1))
        return;
    vsnprintf(bytes->data + bytes->size, (size_t)size + 1, format, list);
    bytes->size += (size_t)size;
}

void bytes_print(struct bytes *bytes, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_list(bytes, format, list);
    va_end(list);
}

void bytes_release(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){ 0 };
}

void bytes_clear(struct bytes *bytes, size_t keep)
{
    if (bytes->capacity > keep || bytes->failed)
        bytes_release(bytes);
    bytes->size = 0;
}

bool number_parse(struct slice text, int64_t *number)
{
    size_t at = 0;
    if (text.size == 0 || text.size > NUMBER_MAX)
        return false;
    bool negative = text.data[0] == '-';
    at += negative;
    if (text.size == 1 && text.data[0] == '0') {
        *number = 0;
        return true;
    }
    if (at == text.size || text.data[at] < '1' || text.data[at] > '9')
        return false;
    uint64_t value = 0, limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    for (; at < text.size; at++) {
        if (text.data[at] < '0' || text.data[at] > '9')
            return false;
        uint64_t digit = (uint64_t)(text.data[at] - '0');
        if (value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *number = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

size_t number_write(char text[NUMBER_MAX], int64_t number)
{
    uint64_t value = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    size_t size = number < 0 ? 2 : 1;
    for (uint64_t rest = value; rest >= 10; rest /= 10)
        size++;
    text[0] = '-';
    size_t at = size;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return size;
}

bool slice_is(struct slice text, const char *lower)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (lower[i] == '\0' || c != lower[i])
            return false;
    }
    return lower[text.size] == '\0';
}

void reply_text(struct bytes *out, const char *line) { bytes_add(out, line, strlen(line)); }

void reply_ok(struct bytes *out) { bytes_add(out, "+OK\r\n", 5); }

void reply_nil(struct bytes *out) { bytes_add(out, "$-1\r\n", 5); }

/* A line break inside the text would end the reply early: Redis turns it into a blank, too. */
void reply_error(struct bytes *out, const char *format, ...)
{
    va_list list;
    bytes_add(out, "-", 1);
    size_t begin = out->size;
    va_start(list, format);
    print_list(out, format, list);
    va_end(list);
    for (size_t i = begin; i < out->size; i++)
        if (out->data[i] == '\r' || out->data[i] == '\n')
            out->data[i] = ' ';
    bytes_add(out, "\r\n", 2);
}

/* prefix, number, \r\n */
static void add_header(struct bytes *out, char prefix, int64_t number)
{
    if (!bytes_reserve(out, NUMBER_MAX + 3))
        return;
    char *at = out->data + out->size;
    *at++ = prefix;
    at += number_write(at, number);
    *at++ = '\r';
    *at++ = '\n';
    out->size = (size_t)(at - out->data);
}

void reply_integer(struct bytes *out, int64_t number) { add_header(out, ':', number); }

void reply_array(struct bytes *out, size_t count) { add_header(out, '*', (int64_t)count); }

void reply_bulk(struct bytes *out, const char *data, size_t size)
{
    add_header(out, '$', (int64_t)size);
    if (!bytes_reserve(out, size + 2))
        return;
    if (size > 0)
        memcpy(out->data + out->size, data, size);
    memcpy(out->data + out->size + size, "\r\n", 2);
    out->size += size + 2;
}

void reply_bulk_text(struct bytes *out, const char *text) { reply_bulk(out, text, strlen(text)); }
