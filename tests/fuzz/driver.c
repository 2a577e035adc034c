/* driver.c: main of a fuzz target where there is no libFuzzer: FILE-OR-FOLDER [COUNT [SEED]]: runs the inputs, then
 * COUNT random mutations of them (none by default). An input that ends the program is left in ./fuzz-failed-input, and
 * the line that repeats it is printed first. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { INPUTS_MOST = 512, BYTES_MOST = 1 << 16 };

static struct {
    uint8_t *data;
    size_t size;
} inputs[INPUTS_MOST];
static size_t input_count;

static uint8_t current[BYTES_MOST];
static volatile size_t current_size;

static void leave_input(int number)
{
    static const char line[] = "the input that did this: ./fuzz-failed-input\n";
    int file = open("fuzz-failed-input", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file >= 0) {
        (void)!write(file, current, current_size);
        close(file);
    }
    (void)!write(STDERR_FILENO, line, sizeof line - 1);
    signal(number, SIG_DFL);
    raise(number);
}

static void run(const uint8_t *data, size_t size)
{
    if (size > sizeof current)
        size = sizeof current;
    if (size > 0)
        memmove(current, data, size);
    current_size = size;
    uint8_t *exact = malloc(size == 0 ? 1 : size); /* of its own: AddressSanitizer sees a read behind its end */
    HOLDS(exact != NULL);
    memcpy(exact, current, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void read_input(const char *path)
{
    static uint8_t bytes[BYTES_MOST];
    FILE *file = fopen(path, "rb");
    if (file == NULL || input_count == INPUTS_MOST) {
        fprintf(stderr, "can't read %s\n", path);
        exit(2);
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    inputs[input_count].data = malloc(size + 1);
    HOLDS(inputs[input_count].data != NULL);
    memcpy(inputs[input_count].data, bytes, size);
    inputs[input_count++].size = size;
}

static void read_inputs(const char *path)
{
    char name[1024];
    DIR *folder = opendir(path);
    if (folder == NULL) {
        read_input(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        read_input(name);
    }
    closedir(folder);
}

static uint64_t state;

static size_t below(size_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return bound == 0 ? 0 : (size_t)((state >> 11) % bound);
}

/* Changes, inserts, deletes, doubles bytes, or appends a piece of another input. */
static size_t mutate(uint8_t *data, size_t size)
{
    static const uint8_t odd[] = {
        0, '\r', '\n', '*', '$', '-', '0', '9', '"', '\'', '\\', '[', ']', ':', ' ', 127, 255
    };
    size_t at = below(size + 1);
    switch (below(6)) {
    case 0:
        if (at < size)
            data[at] = (uint8_t)below(256);
        return size;
    case 1:
        if (at < size)
            data[at] = odd[below(sizeof odd)];
        return size;
    case 2:
        if (size + 1 > BYTES_MOST)
            return size;
        memmove(data + at + 1, data + at, size - at);
        data[at] = odd[below(sizeof odd)];
        return size + 1;
    case 3: {
        size_t gone = below(below(16) + 1);
        if (at + gone > size)
            return at;
        memmove(data + at, data + at + gone, size - at - gone);
        return size - gone;
    }
    case 4: {
        size_t more = below(below(32) + 1), behind = size - at;
        more = more < behind ? more : behind;
        if (size + more > BYTES_MOST)
            return size;
        memmove(data + at + more, data + at, size - at);
        return size + more;
    }
    default: {
        size_t which = below(input_count), from = below(inputs[which].size + 1);
        size_t more = below(inputs[which].size - from + 1);
        if (at + more > BYTES_MOST)
            return size;
        memcpy(data + at, inputs[which].data + from, more);
        return at + more > size ? at + more : size;
    }
    }
}

int main(int argc, char **argv)
{
    static uint8_t bytes[BYTES_MOST];
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE-OR-FOLDER [COUNT [SEED]]\n", argv[0]);
        return 2;
    }
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    state = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL);
    read_inputs(argv[1]);
    printf("rerun: %s %s %" PRIu64 " %" PRIu64 "\n", argv[0], argv[1], count, state);
    fflush(stdout);
    signal(SIGABRT, leave_input);
    signal(SIGSEGV, leave_input);
    state = state * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (size_t i = 0; i < input_count; i++)
        run(inputs[i].data, inputs[i].size);
    for (uint64_t i = 0; i < count && input_count > 0; i++) {
        size_t which = below(input_count), size = inputs[which].size;
        memcpy(bytes, inputs[which].data, size);
        for (size_t changes = 1 + below(8); changes > 0; changes--)
            size = mutate(bytes, size);
        run(bytes, size);
    }
    for (size_t i = 0; i < input_count; i++)
        free(inputs[i].data);
    printf("%zu inputs, %" PRIu64 " mutations\nok\n", input_count, count);
    return 0;
}
