/* fault_code.c: whose code a program counter is in. */
#include "actor/fault_code.h"

#include "base/compiler.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

enum { RANGES = 512, LEAF_BYTES = 2048 };

enum owner { OWNER_USER, OWNER_LIBRARY, OWNER_RUNTIME };

struct range {
    uintptr_t start, end;
    enum owner owner;
};

/* (c) after the start */
static struct range ranges[RANGES];
static int range_count;
static bool libc_found;

/* What compilers make of assignments and loops, and what is called with a null pointer most. In glibc they are
 * assembly without frames, for each kind of processor; dlsym gives the one that is used. */
static const char *const leaf_names[] = { "memcpy",    "memmove", "memset",  "memcmp",  "memchr",   "memrchr",
                                          "rawmemchr", "strlen",  "strnlen", "strcmp",  "strncmp",  "strcpy",
                                          "strncpy",   "stpcpy",  "strchr",  "strrchr", "strchrnul" };
enum { LEAVES = sizeof leaf_names / sizeof *leaf_names };
static uintptr_t leaves[LEAVES];

static bool name_has(const char *name, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(name, parts[i]) != NULL)
            return true;
    return false;
}

static enum owner owner_of(const char *name)
{
    static const char *const libraries[] = { "/libc.so",  "/libc.musl", "/ld-linux", "/ld-musl", "/libpthread",
                                             "/libgcc_s", "linux-vdso", "/libasan",  "/libtsan", "/libubsan" };
    static const char *const runtime[] = { "/liburcu", "/libtroupe.so" };
    if (name_has(name, libraries, sizeof libraries / sizeof *libraries))
        return OWNER_LIBRARY;
    return name_has(name, runtime, sizeof runtime / sizeof *runtime) ? OWNER_RUNTIME : OWNER_USER;
}

static bool has_address(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t start = (uintptr_t)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        if (info->dlpi_phdr[i].p_type == PT_LOAD && address >= start &&
            address < start + (uintptr_t)info->dlpi_phdr[i].p_memsz)
            return true;
    }
    return false;
}

static int note_object(struct dl_phdr_info *info, size_t size, void *allocator)
{
    (void)size;
    enum owner owner = owner_of(info->dlpi_name);
    if (owner == OWNER_USER && info->dlpi_name[0] != '\0' && has_address(info, *(uintptr_t *)allocator))
        owner = OWNER_LIBRARY; /* another malloc than libc's */
    libc_found |= name_has(info->dlpi_name, (const char *const[]){ "/libc.so", "/libc.musl", "/ld-musl" }, 3);
    for (int i = 0; i < info->dlpi_phnum && range_count < RANGES; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD || (info->dlpi_phdr[i].p_flags & PF_X) == 0)
            continue;
        uintptr_t start = (uintptr_t)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        ranges[range_count++] = (struct range){ start, start + (uintptr_t)info->dlpi_phdr[i].p_memsz, owner };
    }
    return 0;
}

void fault_code_start(void)
{
    range_count = 0;
    libc_found = false;
    uintptr_t allocator = (uintptr_t)dlsym(RTLD_DEFAULT, "malloc");
    dl_iterate_phdr(note_object, &allocator);
    if (range_count == RANGES)
        libc_found = false; /* not all are known */
    for (size_t i = 0; i < LEAVES; i++)
        leaves[i] = (uintptr_t)dlsym(RTLD_DEFAULT, leaf_names[i]);
}

static const struct range *find(uintptr_t pc)
{
    for (int i = 0; i < range_count; i++)
        if (pc >= ranges[i].start && pc < ranges[i].end)
            return &ranges[i];
    return NULL;
}

bool fault_code_is_users(uintptr_t pc)
{
    const struct range *range = find(pc);
    return libc_found && pc >= 4096 * 16 && (range == NULL || range->owner == OWNER_USER);
}

bool fault_code_is_library(uintptr_t pc)
{
    const struct range *range = find(pc);
    return range != NULL && range->owner == OWNER_LIBRARY;
}

bool fault_code_is_leaf(uintptr_t pc)
{
    for (size_t i = 0; i < LEAVES; i++)
        if (leaves[i] != 0 && pc >= leaves[i] && pc < leaves[i] + LEAF_BYTES && fault_code_is_library(pc))
            return true;
    return false;
}

/* x86-64: call rel32; call [rip + rel32], call [reg + disp8 or disp32], call reg. aarch64: bl, blr. */
static bool is_behind_call(const unsigned char *at)
{
#if defined(__x86_64__)
    for (int size = 2; size <= 7; size++)
        if (at[-size] == 0xff && (at[-size + 1] & 0x38) == 0x10)
            return true;
    return at[-5] == 0xe8;
#elif defined(__aarch64__)
    uint32_t word;
    memcpy(&word, at - 4, sizeof word);
    return (word & 0xfc000000u) == 0x94000000u || (word & 0xfffffc1fu) == 0xd63f0000u;
#else
    (void)at;
    return false;
#endif
}

bool fault_code_is_return(uintptr_t address)
{
    const struct range *range = find(address);
    return libc_found && range != NULL && range->owner == OWNER_USER && address - range->start >= 8 &&
           is_behind_call((const unsigned char *)address);
}
