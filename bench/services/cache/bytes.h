/* bytes.h: a growable run of bytes, the numbers in it, and the replies of RESP2 that are written into it.
 *
 * Failure is sticky: once memory ran out, everything added is dropped and `failed` stays set until bytes_release, so
 * that a long reply is checked once, at its end. Invariant: size <= capacity; data == NULL exactly if capacity == 0. */
#ifndef CACHE_BYTES_H
#define CACHE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    char *data;
    size_t size, capacity;
    bool failed;
};

/* A piece of somebody else's memory. */
struct slice {
    const char *data;
    size_t size;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

/* Makes room for `more` bytes after the size; false: no memory, and `failed` is set. */
bool bytes_reserve(struct bytes *bytes, size_t more);
void bytes_add(struct bytes *bytes, const void *data, size_t size);
void bytes_print(struct bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Frees it; it is empty and good again. */
void bytes_release(struct bytes *bytes);
/* Empties it; keeps the memory unless it is more than `keep` bytes. */
void bytes_clear(struct bytes *bytes, size_t keep);

enum { NUMBER_MAX = 20 }; /* characters of an int64_t */

/* The whole text is a number as Redis takes it: no sign but '-', no blanks, no leading zeros. */
bool number_parse(struct slice text, int64_t *number);
/* Writes it, without a NUL; returns how many characters. */
size_t number_write(char text[NUMBER_MAX], int64_t number);
/* Whether two texts are the same but for case; `lower` is in lower case. */
bool slice_is(struct slice text, const char *lower);

void reply_text(struct bytes *out, const char *line); /* a whole reply, its \r\n included */
void reply_ok(struct bytes *out);
void reply_nil(struct bytes *out);
void reply_error(struct bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_integer(struct bytes *out, int64_t number);
void reply_array(struct bytes *out, size_t count);
void reply_bulk(struct bytes *out, const char *data, size_t size);
void reply_bulk_text(struct bytes *out, const char *text);

#endif
