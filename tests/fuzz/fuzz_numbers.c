/* fuzz_numbers.c: numbers and sizes in options and requests: what is read is what is written again. */
#include "fuzz.h"

#include "../../bench/services/cache/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = { (const char *)data, size };
    int64_t number;
    size_t bytes;
    char again[NUMBER_MAX];
    if (number_parse(text, &number))
        HOLDS(number_write(again, number) == size && memcmp(again, data, size) == 0);
    if (settings_read_bytes(text, &bytes))
        HOLDS(size > 0 && data[0] >= '0' && data[0] <= '9');
    return 0;
}
