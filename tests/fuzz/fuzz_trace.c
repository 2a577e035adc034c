/* fuzz_trace.c: dumps of the flight recorder, as `troupe record -d` reads them: any file gives a complaint or JSON
 * whose brackets and quotes are in balance. */
#include "fuzz.h"

#include "../../tools/troupe/perfetto.h"

static void check_json(const char *json, size_t size)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)json[i];
        if (quoted) {
            HOLDS(c >= ' ' && c != '\\');
            quoted = c != '"';
            continue;
        }
        quoted = c == '"';
        depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
        HOLDS(depth >= 0);
    }
    HOLDS(!quoted && depth == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *json = NULL;
    size_t json_size = 0;
    char *copy = fuzz_text(data, size);
    FILE *in = fmemopen(copy, size == 0 ? 1 : size, "rb"), *out = open_memstream(&json, &json_size);
    HOLDS(in != NULL && out != NULL);
    int result = perfetto_convert(in, out);
    fclose(in);
    fclose(out);
    if (result == 0)
        check_json(json, json_size);
    free(json);
    free(copy);
    return 0;
}
